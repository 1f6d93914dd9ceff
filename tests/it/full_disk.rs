//! The service on a disk that fills up and later has space again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::run::{Workplace, view};
use crate::serving::{ServiceProcess, get, now_ms, post, wait_for};

/// A small file system in memory.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts it at `path`. Returns `None` if the user is not permitted to.
    pub(crate) fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(path))
    }

    /// Fills it to the last byte. Returns the file to remove to free the space.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        // The last block is filled byte by byte, so that no room for a log line remains.
        for bytes in [&[0; 4096][..], &[0]] {
            let error = loop {
                if let Err(error) = file.write_all(bytes) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().map(drop).unwrap_or_default();
    }
}

#[test]
fn a_full_disk_is_reported_and_the_service_resumes_without_loss_when_it_has_space() {
    let place = Workplace::new();
    let Some(disk) = Disk::mount(place.path("disk")) else {
        eprintln!("skipped: this user cannot mount a file system");
        return;
    };
    let data = place.path("disk/data");
    let serving = ServiceProcess::start(&data, "--checkpoint-seconds 1");
    let readiness = || get(&format!("{}/readyz", serving.url));
    let mut accepted = 0;
    let mut send = |uuid: usize| {
        let (status, body) = post(&serving.url, &view(1, &uuid.to_string())).unwrap();
        accepted += usize::from(status == 200);
        (status, body)
    };
    assert_eq!(send(0).0, 200);
    let ballast = disk.fill();
    // The last page of the segment may have room for a few more events.
    let mut refused = (1..1000).map(&mut send).find(|(status, _)| *status != 200).unwrap();
    assert_eq!((refused.0, refused.1["error"]["code"].take()), (507, json!("disk_full")));
    let (status, body) = readiness();
    assert_eq!((status, &body["reasons"][0]), (503, &json!("disk_full: the log's disk is full")));
    assert_eq!(send(1000).0, 507);

    fs::remove_file(ballast).unwrap();
    wait_for("the service is ready again without requests", || readiness().0 == 200);
    let freed_ms = now_ms();
    let (status, body) = send(1001);
    assert_eq!(status, 200);
    let after = body["token"].as_str().unwrap();
    assert_eq!(serving.get(&format!("/v1/projects/p?after={after}"))["views"], accepted);
    assert_eq!(serving.stop(), 0);
    // Checkpoints are saved again too.
    let serving = ServiceProcess::start(&data, "");
    let checkpoint_ms = serving.recovered("checkpoint_ms");
    let checkpoint_ms = checkpoint_ms.trim_matches(|c: char| !c.is_ascii_digit());
    assert!(checkpoint_ms.parse::<u64>().unwrap() >= freed_ms, "{checkpoint_ms}");
    assert_eq!(serving.get("/v1/projects/p")["views"], accepted);
    assert_eq!(serving.stop(), 0);
    let replayed = place.replay_stored("disk/data", "out");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    assert_eq!(place.json("out/views.json")["p"]["views"], accepted);
}
