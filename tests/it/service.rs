//! The service as seen by clients and operators: reads, metrics, the archive, the arguments.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use crate::run::{Workplace, sample, view};
use crate::serving::{ServiceProcess, clock_ahead, get, now_ms, startup_error, wait_for};

#[test]
fn a_client_sees_its_own_writes_at_once_from_any_thread() {
    const SENDERS: u32 = 4;
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "--workers 2");
    thread::scope(|scope| {
        for racer in 0..SENDERS {
            let serving = &serving;
            scope.spawn(move || {
                for second in 1..=50 {
                    let token = serving.post(&sample(1, racer, second, second.into()));
                    let path =
                        format!("/v1/races/1/7/standings?around={racer}&window=0&after={token}");
                    let row = &serving.get(&path)["rows"][0];
                    let expected = (json!(second), json!(f64::from(second) + 65.0));
                    assert_eq!((&row["second"], &row["output"]), (&expected.0, &expected.1));
                }
            });
        }
    });
    assert_eq!(serving.get("/v1/races/1/7/standings")["racers"], SENDERS);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_ride_moves_from_the_standings_to_boards_and_results_when_it_is_finished() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    let token = serving.post(&sample(1, 5, 1, 1.0));
    // The racer's rows in standings, board and results.
    let rows = |serving: &ServiceProcess| {
        let race = "/v1/races/1/7";
        [
            format!("{race}/standings?"),
            "/v1/classes/1/board?second=1&".to_owned(),
            format!("{race}/results?"),
        ]
        .map(|path| serving.get(&format!("{path}after={token}"))["rows"].as_array().unwrap().len())
    };
    assert_eq!(rows(&serving), [1, 0, 0]);
    assert_eq!(serving.get("/v1/races")["rows"][0]["state"], "running");
    assert_eq!(serving.stop(), 0);
    // After 400 s its 300 seconds and a minute of grace have passed.
    let serving = ServiceProcess::start(&place.path("data"), &clock_ahead(400));
    wait_for("the race is over", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(rows(&serving), [0, 1, 1]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn closed_segments_become_objects_and_a_replay_reads_every_line() {
    let place = Workplace::new();
    // A segment is closed after a minute of the service's clock: an eighth of a second.
    let arguments = format!("--clock-speed 500 --clock-from {}", now_ms());
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let archive = place.path("data/archive");
    let post = |number: u16| {
        let lines = [sample(1, 5, number, 1.0), view(1, &number.to_string())];
        serving.post(&lines.join("\n"));
    };
    for number in 1..=2 {
        post(number);
        wait_for("a segment is sealed", || objects(&archive).len() == usize::from(number));
    }
    post(3);
    assert_eq!(serving.stop(), 0);
    for object in objects(&archive) {
        let path = object.strip_prefix(&archive).unwrap().to_str().unwrap().to_owned();
        assert!(is_named_as_by_firehose(&path), "{path}");
    }
    let replayed = place.replay_stored("data", "out");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let summary = place.json("out/summary.json");
    assert_eq!((&summary["events"], &summary["rejected"]), (&json!(6), &json!(0)));
    assert_eq!(place.json("out/views.json"), json!({"p": {"views": 3, "durationMs": 30}}));
}

/// The complete objects of the archive.
fn objects(archive: &Path) -> Vec<PathBuf> {
    let (mut left, mut objects) = (vec![archive.to_owned()], Vec::new());
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "gz")
            && !path.file_name().unwrap().to_str().unwrap().starts_with('.')
        {
            objects.push(path);
        }
    }
    objects
}

/// Whether a path is `YYYY/MM/DD/HH/<stream>-<version>-YYYY-MM-DD-HH-mm-ss-<uuid>.gz` with equal times.
fn is_named_as_by_firehose(path: &str) -> bool {
    let shape: String = path.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect();
    let uuid = "00000000-0000-0000-0000-000000000000";
    let name = path.rsplit('/').next().unwrap();
    shape == format!("0000/00/00/00/{}-0-0000-00-00-00-00-00-{uuid}.gz", hexless("velodrome"))
        && name.split_at("velodrome-1-".len()).1.replace('-', "/").starts_with(&path[..13])
}

/// The word with each hexadecimal digit replaced by zero.
fn hexless(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect()
}

#[test]
fn metrics_cover_events_log_engine_checkpoint_and_memory() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    serving.post(&[sample(1, 5, 1, 1.0), sample(1, 5, 2, 1.0)].join("\n"));
    assert_eq!(serving.stop(), 0);
    let arguments = format!("{} --checkpoint-seconds 1", clock_ahead(400));
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let (status, verdicts) =
        crate::serving::post(&serving.url, &[&view(1, "u")[..], "no event"].join("\n")).unwrap();
    assert_eq!((status, verdicts["rejected"].as_array().unwrap().len()), (200, 1));

    let metrics = || match get(&format!("{}/metrics", serving.url)) {
        (200, Value::String(text)) => text,
        other => panic!("{other:?}"),
    };
    let value = |metrics: &str, name: &str| {
        let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok();
        metrics.lines().find_map(of)
    };
    wait_for("a checkpoint is written and the history published", || {
        let metrics = metrics();
        let is_there = |name| value(&metrics, name) > Some(0.0);
        is_there("velodrome_checkpoint_seconds_count")
            && is_there("velodrome_history_objects_total")
            && value(&metrics, "velodrome_checkpoint_age_seconds").is_some_and(|age| age <= 60.0)
    });
    let metrics = metrics();
    for (name, least, most) in [
        ("velodrome_events_total{verdict=\"accepted\"}", 1.0, 1.0),
        ("velodrome_events_total{verdict=\"rejected\"}", 1.0, 1.0),
        ("velodrome_log_fsync_seconds_count", 1.0, 1.0),
        ("velodrome_records{class=\"1\"}", 2.0, 2.0),
        ("velodrome_frontier_lag_seconds", 0.0, 60.0),
        ("velodrome_tick_seconds_count", 1.0, 1e9),
        ("velodrome_engine_queue_commands", 0.0, 1e9),
        ("velodrome_log_queue_batches", 0.0, 0.0),
        ("velodrome_checkpoint_age_seconds", 0.0, 60.0),
        ("velodrome_resident_bytes", 1e6, 1e12),
    ] {
        let value = value(&metrics, name);
        let is_right = value.is_some_and(|value| (least..=most).contains(&value));
        assert!(is_right, "{name} is {value:?}:\n{metrics}");
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn rejects_invalid_arguments_by_name() {
    let place = Workplace::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--listen {}", taken.local_addr().unwrap());
    place.write("unknown.toml", "divisors = 1");
    place.write("zero.toml", "divisor = 0");
    let rules = |name: &str| format!("--rules {}", place.path(name).display());
    for (arguments, says) in [
        ("--workers 0", "a whole number from 1 to 256"),
        ("--workers many", "'many'"),
        ("--listen nowhere", "'nowhere'"),
        (&taken, "cannot listen on"),
        ("--checkpoint-seconds 31", "a whole number from 1 to 30"),
        ("--client-rate 0", "from 1 to 4294967295"),
        ("--client-requests 0", "--client-requests"),
        ("--client-streams 0", "--client-streams"),
        ("--auth maybe", "'maybe'"),
        ("--cors-origin *", "'*' is not an origin"),
        ("--cors-origin https://host/", "'https://host/' is not an origin"),
        ("--tls-cert cert.pem", "--tls-key"),
        ("--tls-key key.pem", "--tls-cert"),
        (
            "--tls-cert missing.pem --tls-key missing.pem",
            "cannot read a certificate in PEM from 'missing.pem'",
        ),
        ("--clock-speed 0.5 --clock-from 1", "from 1 to 1000"),
        ("--clock-speed 2", "--clock-from"),
        ("--log serve=loud", "not a log filter"),
        ("--rules missing.toml", "cannot read the rules 'missing.toml'"),
        (&rules("unknown.toml"), "divisors"),
        (&rules("zero.toml"), "divisor is 0"),
        ("--no-such-flag", "--no-such-flag"),
    ] {
        let refused = startup_error(&place.path("data"), arguments);
        assert!(refused.contains(says), "{arguments}: {refused}");
    }
    place.write("file", "");
    let refused = startup_error(&place.path("file"), "");
    assert!(refused.contains("give --data a directory"), "{refused}");
    let without = place.run("serve");
    assert!(without.code == 2 && without.stderr.contains("--data"), "{}", without.stderr);
}

#[test]
fn every_flag_is_an_environment_variable_as_well() {
    let place = Workplace::new();
    for command in ["serve", "demo"] {
        let help = place.run(&format!("{command} --help")).stdout;
        let is_flag = |line: &&str| line.starts_with("      --") || line.starts_with("  -w, ");
        let own = |line: &&str| !["--help", "--version"].iter().any(|name| line.contains(name));
        let flags = help.lines().filter(is_flag).filter(own).count();
        assert!(flags >= 4, "{help}");
        let unwrapped = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(unwrapped.matches("[env: VELODROME_").count(), flags, "{help}");
    }
    let env = [
        ("VELODROME_DATA", "data"),
        ("VELODROME_LOG_JSON", "1"),
        ("VELODROME_REBUILD", "yes"),
        ("VELODROME_CLOCK_SPEED", "2"),
    ];
    let ended = place.run_with("serve", &env, b"");
    assert!(ended.code == 2 && ended.stderr.contains("--clock-from"), "{}", ended.stderr);
}

#[test]
fn the_service_opens_as_many_files_as_the_system_allows() {
    for (limits, expected, warns) in
        [("ulimit -Sn 256", None, false), ("ulimit -n 700", Some("700"), true)]
    {
        let place = Workplace::new();
        let limited = ServiceProcess::start_with_ulimits(&place.path("data"), "", limits);
        let limits = fs::read_to_string(format!("/proc/{}/limits", limited.id())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let [soft, hard] = [3, 4].map(|column| files.split_whitespace().nth(column).unwrap());
        assert_eq!((soft, expected.unwrap_or(hard)), (hard, hard), "{files}");
        // On some machines the hard limit is too low even without `ulimit`.
        let is_few = hard.parse().is_ok_and(|hard: u64| hard < 12_000);
        assert_eq!(limited.log().contains("too few files"), warns || is_few, "{}", limited.log());
        assert_eq!(limited.stop(), 0);
    }
}
