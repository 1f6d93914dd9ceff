//! `velodrome check` and `velodrome backup` with archives and backups in a bucket.

use serde_json::Value;

use super::servers::S3;
use crate::run::{Exit, Workplace, view};
use crate::serving::{ServiceProcess, wait_for};

const ARCHIVE: &str = "--archive s3://races/archive";

/// A bucket with the archive of a stopped service, which has three segments, and its data directory.
struct Stopped {
    server: S3,
    place: Workplace,
    projects: Value,
}

impl Stopped {
    fn new() -> Self {
        let (server, place) = (S3::start(), Workplace::new());
        server.create("races");
        let mut stopped = Self { server, place, projects: Value::Null };
        for number in 0..3 {
            let serving = stopped.serve("data", ARCHIVE);
            // A segment is archived when the service starts again.
            wait_for("earlier segments are archived", || stopped.objects().len() == number);
            let token = serving.post(&view(1, &number.to_string()));
            stopped.projects = serving.get(&format!("/v1/projects?after={token}"))["rows"].take();
            assert_eq!(serving.stop(), 0);
        }
        stopped
    }

    fn serve(&self, data: &str, arguments: &str) -> ServiceProcess {
        let environment: Vec<_> = self.server.environment().collect();
        ServiceProcess::start_in(&environment, &self.place.path(data), arguments)
    }

    fn objects(&self) -> Vec<String> {
        self.server.keys("races", "archive/")
    }

    fn run(&self, command: &str) -> Exit {
        let environment: Vec<_> = self.server.environment().collect();
        self.place.run_with(command, &environment, b"")
    }
}

#[test]
fn a_bucket_is_checked_with_and_without_its_data_directory() {
    let stopped = Stopped::new();
    let commands = [format!("check data {ARCHIVE}"), "check s3://races/archive".to_owned()];
    for command in &commands {
        let exit = stopped.run(command);
        assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
    }
    let key = &stopped.objects()[1];
    let bytes = stopped.server.get("races", key);
    stopped.server.put("races", key, bytes[..bytes.len() / 2].to_vec());
    for command in &commands {
        let exit = stopped.run(command);
        assert_eq!(exit.code, 1, "{}{}", exit.stdout, exit.stderr);
        let name = format!("'s3://races/{key}' cannot be read to its end");
        assert!(exit.stdout.contains(&name), "{}", exit.stdout);
    }
}

#[test]
fn a_backup_in_a_bucket_answers_the_same_with_and_without_the_archive_in_it() {
    let stopped = Stopped::new();
    stopped.server.create("backups");
    let commands = [
        (format!("backup data {ARCHIVE} --to s3://backups/without"), "without", ARCHIVE),
        (format!("backup data {ARCHIVE} --with-archive --to s3://backups/with"), "with", ""),
    ];
    for (command, backup, archive) in commands {
        let exit = stopped.run(&command);
        assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
        assert!(exit.stdout.contains("is complete"), "{}", exit.stdout);
        let check = format!("check s3://backups/{backup} {archive}");
        assert_eq!(stopped.run(&check).code, 0);
        // A later backup copies only what is new.
        let exit = stopped.run(&command);
        assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);

        for key in stopped.server.keys("backups", &format!("{backup}/")) {
            stopped.place.write(&key, stopped.server.get("backups", &key));
        }
        let restored = stopped.serve(backup, archive);
        assert_eq!(restored.get("/v1/projects")["rows"], stopped.projects);
        assert_eq!(restored.stop(), 0);
    }
    // The service on the first backup has stored the third segment.
    assert!(stopped.server.keys("backups", "with/archive/").len() >= 2);

    // A damaged backup is found by name.
    let key = stopped.server.keys("backups", "with/checkpoint")[0].clone();
    let bytes = stopped.server.get("backups", &key);
    stopped.server.put("backups", &key, bytes[..bytes.len() / 2].to_vec());
    let exit = stopped.run("check s3://backups/with");
    assert_eq!(exit.code, 1, "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains(&key) && exit.stdout.contains("is damaged"), "{}", exit.stdout);
}
