//! Restarts of the service: answers stay the same, and a damaged file is reported.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Workplace, history, sample, view};
use crate::serving::{ServiceProcess, clock_ahead, get, startup_error, wait_for};

/// The status and body of a service's answers, by path.
pub(crate) type Answers = BTreeMap<String, (u16, Value)>;

/// The racers of each race, and the seconds of their rides.
pub(crate) const RACERS: u32 = 5;
const SECONDS: u16 = 12;

/// The data directory of a stopped service, in which one race is finished and one is running.
pub(crate) struct StoppedService {
    pub(crate) place: Workplace,
    /// The arguments of a clock at which the races are still in these states.
    clock: String,
    pub(crate) answers: Answers,
}

impl StoppedService {
    pub(crate) fn new() -> Self {
        Self::with_racers(|_| true)
    }

    /// Like `new`, with only some of the racers.
    pub(crate) fn with_racers(is_included: impl Fn(u32) -> bool + Copy) -> Self {
        let place = Workplace::new();
        let data = place.path("data");
        let serving = ServiceProcess::start(&data, "");
        serving.post(&race(7, is_included));
        assert_eq!(serving.stop(), 0);
        // A restart begins a new segment, so that a recovery need not read the first race again.
        let serving = ServiceProcess::start(&data, "");
        serving.post(&view(1, "a"));
        assert_eq!(serving.stop(), 0);
        let clock = clock_ahead(400);
        let serving = ServiceProcess::start(&data, &clock);
        wait_for("the first race is finished", || {
            serving.get("/v1/races")["rows"][0]["state"] == "over"
        });
        let token = serving.post(&race(8, is_included));
        serving.get(&format!("/v1/classes?after={token}"));
        let answers = answers(&serving);
        assert_eq!(serving.stop(), 0);
        Self { place, clock, answers }
    }

    pub(crate) fn start(&self, arguments: &str) -> ServiceProcess {
        ServiceProcess::start(&self.place.path("data"), &format!("{} {arguments}", self.clock))
    }

    pub(crate) fn clock(&self) -> &str {
        &self.clock
    }

    pub(crate) fn startup_error(&self, arguments: &str) -> String {
        startup_error(&self.place.path("data"), &format!("{} {arguments}", self.clock))
    }

    /// Starts the service, asserts that it answers as before, and stops it.
    fn assert_same_answers(&self, arguments: &str) {
        let serving = self.start(arguments);
        assert_eq!(answers(&serving), self.answers, "{arguments}");
        assert_eq!(serving.stop(), 0);
    }
}

/// The lines of a race of class 1, with some of the racers. The last racer does not finish.
fn race(race: u64, is_included: impl Fn(u32) -> bool) -> String {
    let ride = |racer: u32| {
        (1..=SECONDS).map(move |second| {
            let line = sample(1, racer, second, f64::from(racer) + f64::from(second) / 10.0);
            let is_final = second == SECONDS && racer < RACERS - 1;
            let event = if is_final { "final" } else { "update" };
            let line = line.replace("\"raceId\":7", &format!("\"raceId\":{race}"));
            line.replace("update", event).replace('}', &format!(r#","name":"Racer {racer}"}}"#))
        })
    };
    (0..RACERS).filter(|racer| is_included(*racer)).flat_map(ride).collect::<Vec<_>>().join("\n")
}

/// All answers of a service, without their times.
pub(crate) fn answers(serving: &ServiceProcess) -> Answers {
    let mut paths = vec![
        "/v1/classes".to_owned(),
        "/v1/classes/1/leaderboard".to_owned(),
        "/v1/races".to_owned(),
        "/v1/projects".to_owned(),
        "/v1/projects/p".to_owned(),
    ];
    paths.extend((1..=SECONDS).map(|second| format!("/v1/classes/1/board?second={second}")));
    paths.extend((0..RACERS).map(|racer| format!("/v1/racers/{racer}/curve?classId=1")));
    for race in ["/v1/races/1/7", "/v1/races/1/8"] {
        paths.push(format!("{race}/standings"));
        paths.extend(["final", "best", "total"].map(|by| format!("{race}/results?by={by}")));
    }
    let answer = |path: String| {
        let (status, mut body) = get(&format!("{}{path}", serving.url));
        body.as_object_mut().map(|body| body.remove("asOf"));
        (path, (status, body))
    };
    paths.into_iter().map(answer).collect()
}

#[test]
fn a_stop_publishes_and_saves_and_a_restart_reads_only_the_recovery_window() {
    let stopped = StoppedService::new();
    let (_, board) = &stopped.answers["/v1/classes/1/board?second=3"];
    let rows = board["rows"].as_array().unwrap();
    let board: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row["racerId"].as_u64().unwrap() as u32, row["output"].as_f64().unwrap()))
        .collect();
    assert_eq!(board.len(), RACERS as usize);
    let published = history(&stopped.place.path("data/history/class-1.gz"));
    assert_eq!(published.len(), usize::from(SECONDS));
    assert_eq!(published[&3], board);

    for (signal, workers) in [("-TERM", 1), ("-INT", 3), ("-TERM", 2)] {
        let serving = stopped.start(&format!("--workers {workers}"));
        assert_eq!(answers(&serving), stopped.answers, "{workers} workers");
        // Only the running race is read again; the checkpoint has everything before the window.
        let read = (RACERS * u32::from(SECONDS)).to_string();
        assert_eq!(serving.recovered("events"), read);
        assert_eq!(serving.signal(signal), 0);
    }
}

#[test]
fn a_second_service_on_a_directory_is_refused_and_the_first_is_not_affected() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "");
    serving.post(&race(7, |_| true));
    for arguments in ["", "--rebuild"] {
        let error = startup_error(&data, arguments);
        assert!(error.contains(&format!("another process serves '{}'", data.display())), "{error}");
    }
    let token = serving.post(&view(1, "a"));
    assert_eq!(serving.get(&format!("/v1/projects/p?after={token}"))["views"], 1);
    assert_eq!(serving.stop(), 0);
    let serving = ServiceProcess::start(&data, "");
    assert_eq!(serving.get("/v1/races/1/7/standings")["racers"], RACERS);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_damaged_checkpoint_is_reported_and_a_rebuild_gives_the_same_answers() {
    let stopped = StoppedService::new();
    let path = stopped.place.path("data/checkpoint.redb");
    let overwrite = |mut file: File, length: u64| {
        file.seek(SeekFrom::Start(length / 4)).unwrap();
        file.write_all(&vec![0x55; usize::try_from(length / 2).unwrap()]).unwrap();
    };
    let truncate = |file: File, length: u64| file.set_len(length / 2).unwrap();
    let damages: [&dyn Fn(File, u64); 2] = [&overwrite, &truncate];
    for damage in damages {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        damage(file, fs::metadata(&path).unwrap().len());
        let error = stopped.startup_error("");
        let named = format!("the checkpoint '{}' is damaged", path.display());
        assert!(error.contains(&named) && error.contains("--rebuild"), "{error}");
        stopped.assert_same_answers("--rebuild");
    }
    stopped.assert_same_answers("");
}

#[test]
fn without_a_checkpoint_the_state_is_recovered_from_archive_and_log() {
    let stopped = StoppedService::new();
    fs::remove_file(stopped.place.path("data/checkpoint.redb")).unwrap();
    stopped.assert_same_answers("");
    stopped.assert_same_answers("");
}

#[test]
fn a_damaged_object_of_the_archive_is_reported_and_ends_the_service() {
    let stopped = StoppedService::new();
    let objects = files_below(&stopped.place.path("data/archive"));
    let complete = fs::read(&objects[0]).unwrap();
    fs::write(&objects[0], &complete[..complete.len() / 2]).unwrap();
    fs::remove_file(stopped.place.path("data/checkpoint.redb")).unwrap();
    let serving = ServiceProcess::start_unready(&stopped.place.path("data"), &stopped.clock);
    let log = stopped.place.path("data.stderr");
    assert_eq!(serving.wait(), 2);
    let stderr = fs::read_to_string(log).unwrap();
    let named =
        format!("cannot read '{}' of the log: the gzip stream is truncated", objects[0].display());
    assert!(stderr.contains(&named) && stderr.contains("restore it from a copy"), "{stderr}");
    fs::write(&objects[0], complete).unwrap();
    stopped.assert_same_answers("");
}

/// All files below a directory.
pub(crate) fn files_below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
