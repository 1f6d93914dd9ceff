//! Bans on a running service, and over restarts.

use serde_json::{Value, json};

use crate::restarts::{Answers, RACERS, StoppedService, answers};
use crate::run::{history, sample};
use crate::serving::{ServiceProcess, agent, wait_for};

/// The best racer who finished the first race. This racer also rides in the running one.
pub(crate) const BANNED_RACER: u32 = RACERS - 2;

/// Bans a racer, or lifts a ban.
pub(crate) fn set(serving: &ServiceProcess, racer: u32, is_banned: bool) {
    let url = format!("{}/v1/bans/{racer}", serving.url);
    let answer = if is_banned { agent().put(url).send_empty() } else { agent().delete(url).call() };
    assert_eq!(answer.unwrap().status().as_u16(), 204, "{racer} {is_banned}");
}

/// The answers without the start times of races, which differ between two services.
fn without_start_times(mut answers: Answers) -> Answers {
    let (_, races) = answers.get_mut("/v1/races").unwrap();
    for race in races["rows"].as_array_mut().unwrap() {
        race.as_object_mut().unwrap().remove("startedAt").unwrap();
    }
    answers
}

#[test]
fn a_banned_racer_is_in_no_answer_until_the_ban_is_lifted_also_after_a_crash_and_a_rebuild() {
    let stopped = StoppedService::new();
    let without =
        without_start_times(StoppedService::with_racers(|racer| racer != BANNED_RACER).answers);
    let assert_without = |serving: &ServiceProcess, when: &str| {
        assert_eq!(without_start_times(answers(serving)), without, "{when}");
        assert_eq!(serving.get("/v1/bans"), json!({"racers": [BANNED_RACER]}), "{when}");
    };
    assert_ne!(without_start_times(stopped.answers.clone()), without);

    // No events arrive, so all changes are due to the ban.
    let mut serving = stopped.start("--workers 2");
    set(&serving, BANNED_RACER, true);
    assert_without(&serving, "after the reply");
    for arguments in ["--workers 1", "--workers 3 --rebuild"] {
        serving.kill();
        serving = stopped.start(arguments);
        assert_without(&serving, arguments);
    }
    set(&serving, BANNED_RACER, true);
    assert_without(&serving, "after the same ban again");

    set(&serving, BANNED_RACER, false);
    assert_eq!(answers(&serving), stopped.answers, "after it is lifted");
    serving.kill();
    let serving = stopped.start("--workers 2");
    assert_eq!(answers(&serving), stopped.answers, "after a crash");
    assert_eq!(serving.get("/v1/bans"), json!({"racers": []}));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_ban_publishes_the_history_object_again_and_removes_it_with_the_last_racer() {
    let stopped = StoppedService::new();
    let object = stopped.place.path("data/history/class-1.gz");
    let serving = stopped.start("");
    let published = || history(&object).into_values().next().unwrap();
    assert!(published().contains_key(&BANNED_RACER));
    set(&serving, BANNED_RACER, true);
    wait_for("the object is without the racer", || !published().contains_key(&BANNED_RACER));
    assert_eq!(published().len(), RACERS as usize - 1);

    (0..RACERS).for_each(|racer| set(&serving, racer, true));
    wait_for("the object is removed", || !object.exists());
    for (path, expected) in [("/v1/classes", json!([])), ("/v1/races", json!([]))] {
        let mut answer = serving.get(path);
        let rows = answer.get_mut("rows").map(Value::take).unwrap_or(answer);
        assert_eq!(rows, expected, "{path}");
    }
    (0..RACERS).for_each(|racer| set(&serving, racer, false));
    assert_eq!(answers(&serving), stopped.answers);
    wait_for("the object has all racers", || {
        object.exists() && published().len() == RACERS as usize
    });
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_ride_during_a_ban_is_in_the_answers_after_the_ban_is_lifted() {
    let stopped = StoppedService::new();
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
