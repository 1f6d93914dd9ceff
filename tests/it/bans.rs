//! Bans on a running service, from one start to the next.

use serde_json::{Value, json};

use crate::restarts::{Answers, RACERS, Stopped, answers};
use crate::run::{history, sample};
use crate::serving::{Serving, agent, wait_for};

/// A racer of the race that is over and of the one that runs; the best of those who finished.
pub(crate) const RACER: u32 = RACERS - 2;

/// Bans a racer, or lifts the ban.
pub(crate) fn set(serving: &Serving, racer: u32, is_banned: bool) {
    let url = format!("{}/v1/bans/{racer}", serving.url);
    let answer = if is_banned { agent().put(url).send_empty() } else { agent().delete(url).call() };
    assert_eq!(answer.unwrap().status().as_u16(), 204, "{racer} {is_banned}");
}

/// All answers but for when races started: two services are not started at once.
fn timeless(mut answers: Answers) -> Answers {
    let (_, races) = answers.get_mut("/v1/races").unwrap();
    for race in races["rows"].as_array_mut().unwrap() {
        race.as_object_mut().unwrap().remove("startedAt").unwrap();
    }
    answers
}

#[test]
fn a_banned_racer_is_nowhere_through_crash_and_rebuild_until_the_ban_is_lifted() {
    let stopped = Stopped::of(|_| true);
    let without = timeless(Stopped::of(|racer| racer != RACER).answers);
    let assert_without = |serving: &Serving, when: &str| {
        assert_eq!(timeless(answers(serving)), without, "{when}");
        assert_eq!(serving.get("/v1/bans"), json!({"racers": [RACER]}), "{when}");
    };
    assert_ne!(timeless(stopped.answers.clone()), without);

    // Of nothing but the ban, as no event comes.
    let mut serving = stopped.start("--workers 2");
    set(&serving, RACER, true);
    assert_without(&serving, "once it is answered");
    for arguments in ["--workers 1", "--workers 3 --rebuild"] {
        serving.kill();
        serving = stopped.start(arguments);
        assert_without(&serving, arguments);
    }
    set(&serving, RACER, true);
    assert_without(&serving, "a second time");

    set(&serving, RACER, false);
    assert_eq!(answers(&serving), stopped.answers, "once it is lifted");
    serving.kill();
    let serving = stopped.start("--workers 2");
    assert_eq!(answers(&serving), stopped.answers, "after a crash");
    assert_eq!(serving.get("/v1/bans"), json!({"racers": []}));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_history_object_is_published_anew_at_once_and_goes_with_the_last_racer() {
    let stopped = Stopped::of(|_| true);
    let object = stopped.place.path("data/history/class-1.gz");
    let serving = stopped.start("");
    let published = || history(&object).into_values().next().unwrap();
    assert!(published().contains_key(&RACER));
    set(&serving, RACER, true);
    wait_for("the object is without the racer", || !published().contains_key(&RACER));
    assert_eq!(published().len(), RACERS as usize - 1);

    (0..RACERS).for_each(|racer| set(&serving, racer, true));
    wait_for("the object is gone", || !object.exists());
    for (path, expected) in [("/v1/classes", json!([])), ("/v1/races", json!([]))] {
        let mut answer = serving.get(path);
        let rows = answer.get_mut("rows").map(Value::take).unwrap_or(answer);
        assert_eq!(rows, expected, "{path}");
    }
    (0..RACERS).for_each(|racer| set(&serving, racer, false));
    assert_eq!(answers(&serving), stopped.answers);
    wait_for("all are back", || object.exists() && published().len() == RACERS as usize);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_is_ridden_under_a_ban_is_there_once_it_is_lifted() {
    let stopped = Stopped::of(|_| true);
    let serving = stopped.start("");
    set(&serving, 9, true);
    let ride = sample(1, 9, 30, 900.0).replace("\"raceId\":7", "\"raceId\":8");
    let token = serving.post(&ride);
    let standings = format!("/v1/races/1/8/standings?after={token}");
    assert_eq!(serving.get(&standings)["racers"], RACERS);
    set(&serving, 9, false);
    let lifted = serving.get(&standings);
    let first = &lifted["rows"][0];
    assert_eq!(lifted["racers"], RACERS + 1);
    assert_eq!([&first["racerId"], &first["second"]], [&json!(9), &json!(30)]);
    assert_eq!(serving.stop(), 0);
}
