//! The service from one start to the next: what is the same, and what keeps it from starting.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Workplace, history, sample, view};
use crate::serving::{Serving, ahead, get, refusal, wait_for};

/// Every answer of a service, by its path.
pub(crate) type Answers = BTreeMap<String, (u16, Value)>;

/// Racers of each race, and the seconds that they ride.
pub(crate) const RACERS: u32 = 5;
const SECONDS: u16 = 12;

/// A data directory whose service was stopped: one race is over, and one runs.
pub(crate) struct Stopped {
    pub(crate) place: Workplace,
    /// For a clock at which that is still so.
    clock: String,
    pub(crate) answers: Answers,
}

impl Stopped {
    pub(crate) fn new() -> Self {
        Self::of(|_| true)
    }

    /// The same, of some of the racers alone.
    pub(crate) fn of(is_there: impl Fn(u32) -> bool + Copy) -> Self {
        let place = Workplace::new();
        let data = place.path("data");
        let serving = Serving::start(&data, "");
        serving.post(&race(7, is_there));
        assert_eq!(serving.stop(), 0);
        // In a file of its own, so that the race before it need not be read for what comes after.
        let serving = Serving::start(&data, "");
        serving.post(&view(1, "a"));
        assert_eq!(serving.stop(), 0);
        let clock = ahead(400);
        let serving = Serving::start(&data, &clock);
        wait_for("the first race is over", || {
            serving.get("/v1/races")["rows"][0]["state"] == "over"
        });
        let token = serving.post(&race(8, is_there));
        serving.get(&format!("/v1/classes?after={token}"));
        let answers = answers(&serving);
        assert_eq!(serving.stop(), 0);
        Self { place, clock, answers }
    }

    pub(crate) fn start(&self, arguments: &str) -> Serving {
        Serving::start(&self.place.path("data"), &format!("{} {arguments}", self.clock))
    }

    pub(crate) fn refusal(&self, arguments: &str) -> String {
        refusal(&self.place.path("data"), &format!("{} {arguments}", self.clock))
    }

    /// Starts it, which must answer as before, and stops it.
    fn assert_same(&self, arguments: &str) {
        let serving = self.start(arguments);
        assert_eq!(answers(&serving), self.answers, "{arguments}");
        assert_eq!(serving.stop(), 0);
    }
}

/// The lines of a race of class 1, of some of the racers; the last racer does not finish.
fn race(race: u64, is_there: impl Fn(u32) -> bool) -> String {
    let ride = |racer: u32| {
        (1..=SECONDS).map(move |second| {
            let line = sample(1, racer, second, f64::from(racer) + f64::from(second) / 10.0);
            let is_final = second == SECONDS && racer < RACERS - 1;
            let event = if is_final { "final" } else { "update" };
            let line = line.replace("\"raceId\":7", &format!("\"raceId\":{race}"));
            line.replace("update", event).replace('}', &format!(r#","name":"Racer {racer}"}}"#))
        })
    };
    (0..RACERS).filter(|racer| is_there(*racer)).flat_map(ride).collect::<Vec<_>>().join("\n")
}

/// All that the service answers, but for the time that it is of.
pub(crate) fn answers(serving: &Serving) -> Answers {
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
fn a_stop_publishes_and_saves_and_a_start_answers_the_same_from_the_window_alone() {
    let stopped = Stopped::new();
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
        // The race that runs alone: what came before the window is in the checkpoint.
        let read = (RACERS * u32::from(SECONDS)).to_string();
        assert_eq!(serving.recovered("events"), read);
        assert_eq!(serving.end(signal), 0);
    }
}

#[test]
fn a_second_service_on_a_directory_is_refused_and_disturbs_nothing() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = Serving::start(&data, "");
    serving.post(&race(7, |_| true));
    for arguments in ["", "--rebuild"] {
        let refused = refusal(&data, arguments);
        assert!(
            refused.contains(&format!("another process serves '{}'", data.display())),
            "{refused}"
        );
    }
    let token = serving.post(&view(1, "a"));
    assert_eq!(serving.get(&format!("/v1/projects/p?after={token}"))["views"], 1);
    assert_eq!(serving.stop(), 0);
    let serving = Serving::start(&data, "");
    assert_eq!(serving.get("/v1/races/1/7/standings")["racers"], RACERS);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_damaged_checkpoint_is_named_and_a_rebuild_answers_the_same() {
    let stopped = Stopped::new();
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
        let refused = stopped.refusal("");
        let named = format!("the checkpoint '{}' is damaged", path.display());
        assert!(refused.contains(&named) && refused.contains("--rebuild"), "{refused}");
        stopped.assert_same("--rebuild");
    }
    stopped.assert_same("");
}

#[test]
fn without_a_checkpoint_everything_comes_from_archive_and_log() {
    let stopped = Stopped::new();
    fs::remove_file(stopped.place.path("data/checkpoint.redb")).unwrap();
    stopped.assert_same("");
    stopped.assert_same("");
}

#[test]
fn a_damaged_object_of_the_archive_is_named_and_nothing_is_made_of_the_rest() {
    let stopped = Stopped::new();
    let objects = inside(&stopped.place.path("data/archive"));
    let whole = fs::read(&objects[0]).unwrap();
    fs::write(&objects[0], &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(stopped.place.path("data/checkpoint.redb")).unwrap();
    let serving = Serving::listening(&stopped.place.path("data"), &stopped.clock);
    let log = stopped.place.path("data.stderr");
    assert_eq!(serving.ended(), 2);
    let told = fs::read_to_string(log).unwrap();
    let named = format!("cannot read the log's '{}': input damaged: ", objects[0].display());
    assert!(told.contains(&named) && told.contains("bring it back"), "{told}");
    fs::write(&objects[0], whole).unwrap();
    stopped.assert_same("");
}

/// The files below a directory.
pub(crate) fn inside(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { inside(&path) } else { vec![path] }).collect()
}
