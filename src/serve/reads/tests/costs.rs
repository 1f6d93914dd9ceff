//! What reads cost: the rows that they read do not grow with the data.

use velodrome_dataflows::{Output, Stage, Standing, ViewCount};

use super::super::fake_engine::FakeEngine;
use super::{READS, ok};
use crate::live_state::LiveChange;

/// A fake engine with `size` more projects, finished races, racers of these, and running rides.
fn engine_of_size(size: u32) -> FakeEngine {
    let fake = FakeEngine::new();
    let mut changes = Vec::new();
    for n in 0..size {
        let count = ViewCount { views: (n % 7).into(), duration_ms: n.into() };
        changes.push(LiveChange::Views(format!("project-{n}").into(), count));
        let finished = Stage::Finished { started_at: 3_000 + u64::from(n) };
        changes.push(LiveChange::Stage((1, 1_000 + u64::from(n), 900 + n), finished));
        // They rank before the riders of the fake engine, whose names are in no ride.
        let output = Output(f64::from(100 + n % 50));
        let standing = Standing { second: 2, output, name: Some("N".into()), started_at: 2_000 };
        changes.push(LiveChange::Stage((2, 9, 900 + n), Stage::Running(standing, Vec::new())));
    }
    fake.tick(5_010, changes);
    fake
}

/// The rows and the queries of the engine that each read costs, and each second page of a list.
async fn costs(fake: &FakeEngine) -> Vec<(String, u64, usize)> {
    let lists = ["/v1/projects?limit=5", "/v1/races?limit=5", "/v1/races?classId=1&limit=5"];
    let lists = lists.into_iter().chain(["/v1/races/2/9/standings?limit=5"]);
    let around = ["/v1/races/2/9/standings?around=905&window=3"];
    let mut costs = Vec::new();
    for uri in READS.into_iter().chain(around).chain(lists) {
        let mut uris = vec![uri.to_owned()];
        while let Some(uri) = uris.pop() {
            let rows = || fake.live_state().read().rows_read();
            let (before, queries) = (rows(), fake.queries().len());
            let body = ok(fake, &uri).await;
            costs.push((uri.clone(), rows() - before, fake.queries().len() - queries));
            if uri.ends_with("limit=5") {
                uris.extend(body["next"].as_str().map(|next| format!("{uri}&cursor={next}")));
            }
        }
    }
    // Cursors differ.
    costs.iter_mut().for_each(|(uri, ..)| uri.truncate(uri.find("&cursor").unwrap_or(uri.len())));
    costs
}

#[tokio::test]
async fn reads_cost_the_same_with_a_hundred_times_the_data() {
    let (small, large) = (costs(&engine_of_size(200)).await, costs(&engine_of_size(20_000)).await);
    assert_eq!(small, large);
    // A page of 5 rows reads one more, to know whether it is the last.
    let list = small.iter().filter(|(uri, ..)| uri.ends_with("limit=5"));
    let list: Vec<_> = list.map(|(_, rows, queries)| (*rows <= 6, *queries)).collect();
    assert_eq!(list, [(true, 0); 8]);
}
