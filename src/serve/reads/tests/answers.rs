use serde_json::json;
use velodrome_dataflows::Query;

use super::super::fake_engine::{FakeEngine, projects};
use super::{get_with, ok, paged};
use crate::live_state::LiveChange;
use crate::serve::permissions::{AllowedObjects, Permissions};

#[tokio::test]
async fn lists_classes_with_records_or_a_running_race() {
    let expected = json!([
        {"classId": 1, "records": 6, "racers": 5, "runningRaceId": null},
        {"classId": 2, "records": 0, "racers": 0, "runningRaceId": 9},
    ]);
    assert_eq!(ok(&FakeEngine::new(), "/v1/classes").await, expected);
}

#[tokio::test]
async fn returns_a_board_complete_in_pages_or_around_a_racer() {
    let fake = FakeEngine::new();
    let uri = "/v1/classes/1/board?second=2";
    let rows = json!([
        {"rank": 1, "racerId": 4, "name": "Zoë", "output": 30.0},
        {"rank": 2, "racerId": 2, "name": null, "output": 20.5},
        {"rank": 2, "racerId": 3, "name": null, "output": 20.5},
        {"rank": 4, "racerId": 1, "name": "Ada", "output": 10.0},
        {"rank": 5, "racerId": 5, "name": null, "output": 0.0},
    ]);
    let complete = json!({
        "asOf": 5_000, "classId": 1, "second": 2, "racers": 5, "rows": rows, "next": null,
    });
    assert_eq!(ok(&fake, uri).await, complete);
    assert_eq!(paged(&fake, &format!("{uri}&limit=2"), "racerId").await, [4, 2, 3, 1, 5]);
    assert_eq!(paged(&fake, &format!("{uri}&limit=2"), "rank").await, [1, 2, 2, 4, 5]);
    let around = ok(&fake, &format!("{uri}&around=3&window=1")).await;
    assert_eq!(around["rows"], json!([rows[1], rows[2], rows[3]]));
    let next = around["next"].as_str().unwrap();
    assert_eq!(ok(&fake, &format!("{uri}&cursor={next}")).await["rows"], json!([rows[4]]));
    assert_eq!(ok(&fake, &format!("{uri}&around=3")).await["rows"], rows);
    assert_eq!(ok(&fake, &format!("{uri}&around=3&window=0")).await["rows"], json!([rows[2]]));
    assert_eq!(ok(&fake, &format!("{uri}&around=99")).await["rows"], json!([]));
    let empty = json!({
        "asOf": 5_000, "classId": 77, "second": 3, "racers": 0, "rows": [], "next": null,
    });
    assert_eq!(ok(&fake, "/v1/classes/77/board?second=3").await, empty);
}

#[tokio::test]
async fn returns_a_leaderboard_with_the_race_of_each_output() {
    let fake = FakeEngine::new();
    let rows = json!([
        {"rank": 1, "racerId": 2, "name": null, "output": 50.0, "raceId": 7},
        {"rank": 2, "racerId": 1, "name": "Ada", "output": 40.25, "raceId": 8},
    ]);
    let expected = json!({"asOf": 5_000, "classId": 1, "racers": 2, "rows": rows, "next": null});
    let uri = "/v1/classes/1/leaderboard";
    assert_eq!(ok(&fake, uri).await, expected);
    assert_eq!(paged(&fake, &format!("{uri}?limit=1"), "racerId").await, [2, 1]);
    assert_eq!(ok(&fake, "/v1/classes/9/leaderboard").await["rows"], json!([]));
}

#[tokio::test]
async fn returns_the_curve_of_a_racer_with_nulls_for_gaps() {
    let expected = json!({"racerId": 4, "classId": 1, "outputs": [null, 30.0, 0.0]});
    assert_eq!(ok(&FakeEngine::new(), "/v1/racers/4/curve?classId=1").await, expected);
}

#[tokio::test]
async fn returns_the_curve_of_a_class_with_nulls_for_gaps() {
    let fake = FakeEngine::new();
    let expected = json!({"asOf": 5_000, "classId": 1, "outputs": [null, 30.0, null]});
    assert_eq!(ok(&fake, "/v1/classes/1/curve").await, expected);
    let none = json!({"asOf": 5_000, "classId": 77, "outputs": [null, null, null]});
    assert_eq!(ok(&fake, "/v1/classes/77/curve").await, none);
}

#[tokio::test]
async fn lists_races_newest_first() {
    let fake = FakeEngine::new();
    let finished =
        json!({"raceId": 7, "classId": 1, "state": "over", "startedAt": 1_000, "racers": 3});
    let running =
        json!({"raceId": 9, "classId": 2, "state": "running", "startedAt": 2_000, "racers": 3});
    let expected = json!({"asOf": 5_000, "rows": [running, finished], "next": null});
    assert_eq!(ok(&fake, "/v1/races").await, expected);
    assert_eq!(ok(&fake, "/v1/races?classId=1").await["rows"], json!([finished]));
    assert_eq!(ok(&fake, "/v1/races?classId=3").await["rows"], json!([]));
    assert_eq!(paged(&fake, "/v1/races?limit=1", "raceId").await, [9, 7]);
}

#[tokio::test]
async fn returns_the_standings_of_a_running_race_and_none_of_a_finished_one() {
    let fake = FakeEngine::new();
    let rows = json!([
        {"rank": 1, "racerId": 4, "name": "Zoë", "output": 30.0, "second": 3},
        {"rank": 2, "racerId": 11, "name": null, "output": 20.0, "second": 2},
        {"rank": 2, "racerId": 12, "name": "Bo", "output": 20.0, "second": 3},
    ]);
    let uri = "/v1/races/2/9/standings";
    let expected = json!({
        "asOf": 5_000, "classId": 2, "raceId": 9, "state": "running", "racers": 3, "rows": rows,
        "next": null,
    });
    assert_eq!(ok(&fake, uri).await, expected);
    assert_eq!(paged(&fake, &format!("{uri}?limit=2"), "racerId").await, [4, 11, 12]);
    let around = ok(&fake, &format!("{uri}?around=12&window=1")).await;
    assert_eq!(around["rows"], json!([rows[1], rows[2]]));
    let finished = json!({
        "asOf": 5_000, "classId": 1, "raceId": 7, "state": "over", "racers": 0, "rows": [],
        "next": null,
    });
    assert_eq!(ok(&fake, "/v1/races/1/7/standings").await, finished);
}

#[tokio::test]
async fn ranks_results_by_the_requested_output() {
    let fake = FakeEngine::new();
    let row = |rank: Option<u64>, racer, name: Option<&str>, last: Option<f64>, best, total| {
        json!({
            "rank": rank, "racerId": racer, "name": name, "final": last, "best": best,
            "total": total, "seconds": 2,
        })
    };
    let uri = "/v1/races/1/7/results";
    let expected = json!({
        "asOf": 5_000, "classId": 1, "raceId": 7, "state": "over", "by": "final", "racers": 3,
        "rows": [
            row(Some(1), 1, Some("Ada"), Some(9.0), 10.0, 15.0),
            row(Some(1), 3, None, Some(9.0), 12.5, 12.5),
            row(None, 2, None, None, 20.0, 20.0),
        ],
        "next": null,
    });
    assert_eq!(ok(&fake, uri).await, expected);
    for (by, racers) in [("final", [1, 3, 2]), ("best", [2, 3, 1]), ("total", [2, 1, 3])] {
        assert_eq!(paged(&fake, &format!("{uri}?by={by}&limit=1"), "racerId").await, racers);
    }
    // No ride is finished yet.
    let running = ok(&fake, "/v1/races/2/9/results").await;
    assert_eq!((&running["state"], &running["rows"]), (&json!("running"), &json!([])));
}

#[tokio::test]
async fn returns_a_running_ride_up_to_its_latest_second() {
    let fake = FakeEngine::new();
    let ride = |racer: u32, name: Option<&str>, outputs: &[Option<f64>]| {
        json!({
            "asOf": 5_000, "classId": 2, "raceId": 9, "racerId": racer, "name": name, "outputs": outputs,
        })
    };
    let body = ok(&fake, "/v1/races/2/9/rides/12").await;
    assert_eq!(body, ride(12, Some("Bo"), &[None, None, Some(20.0)]));
    // The name comes from another race.
    let body = ok(&fake, "/v1/races/2/9/rides/4").await;
    assert_eq!(body, ride(4, Some("Zoë"), &[None, None, Some(30.0)]));
    assert_eq!(ok(&fake, "/v1/races/2/9/rides/11").await, ride(11, None, &[None, Some(20.0)]));
}

#[tokio::test]
async fn returns_a_racer_with_the_classes_that_the_token_permits() {
    let fake = FakeEngine::new();
    let all = json!({"asOf": 5_000, "racerId": 4, "name": "Zoë", "classes": [1, 2, 3]});
    assert_eq!(ok(&fake, "/v1/racers/4").await, all);
    let unknown = json!({"asOf": 5_000, "racerId": 5, "name": null, "classes": []});
    assert_eq!(ok(&fake, "/v1/racers/5").await, unknown);
    for (class, name, classes) in
        [(2, Some("Zora"), vec![2]), (3, None, vec![3]), (4, None, vec![])]
    {
        let expected = json!({"asOf": 5_000, "racerId": 4, "name": name, "classes": classes});
        let objects = AllowedObjects { classes: [class].into(), ..AllowedObjects::default() };
        let permissions = Permissions::new(Some(objects), None);
        let (status, body, _) = get_with(permissions, &fake.engine(), "/v1/racers/4").await;
        assert_eq!((status, body), (200, expected));
    }
}

#[tokio::test]
async fn returns_the_finished_rides_of_a_racer_with_their_ranks() {
    let fake = FakeEngine::new();
    let row = |rank: Option<u64>, name: Option<&str>, last: Option<f64>, best, total| {
        json!({
            "raceId": 7, "startedAt": 1_000, "rank": rank, "racers": 3, "name": name, "final": last,
            "best": best, "total": total, "seconds": 2,
        })
    };
    for (racer, row) in [
        (1, row(Some(1), Some("Ada"), Some(9.0), 10.0, 15.0)),
        (2, row(None, None, None, 20.0, 20.0)),
        (3, row(Some(1), None, Some(9.0), 12.5, 12.5)),
    ] {
        let body = ok(&fake, &format!("/v1/racers/{racer}/results?classId=1&limit=9")).await;
        let expected = json!({"asOf": 5_000, "racerId": racer, "classId": 1, "rows": [row]});
        assert_eq!(body, expected);
    }
    // Only the races of the racer are read.
    assert_eq!(fake.queries(), vec![Query::Results(1, vec![7]); 3]);
    for uri in ["/v1/racers/4/results?classId=1", "/v1/racers/1/results?classId=77"] {
        assert_eq!(ok(&fake, uri).await["rows"], json!([]), "{uri}");
    }
    assert_eq!(fake.queries().len(), 3);
}

#[tokio::test]
async fn returns_one_project_or_all_by_views() {
    let fake = FakeEngine::new();
    let views = projects().into_iter().map(|(id, count)| LiveChange::Views(id, count));
    fake.tick(5_000, views.collect());
    let project = json!({"projectId": "a/é", "views": 3, "durationMs": 7});
    assert_eq!(ok(&fake, "/v1/projects/a%2F%C3%A9").await, project);
    let page = ok(&fake, "/v1/projects?limit=2").await;
    assert_eq!((&page["asOf"], &page["rows"][1]), (&json!(5_000), &project));
    assert_eq!(paged(&fake, "/v1/projects?limit=1", "projectId").await, ["trailer", "a/é", "b"]);
    assert_eq!(paged(&fake, "/v1/projects?limit=3", "projectId").await, ["trailer", "a/é", "b"]);
}
