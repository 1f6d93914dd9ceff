//! Throughput of decoding alone: one line of JSON to one event.
//!
//! What: the decoder in use, its slow path through serde_json, and three JSON libraries that read the
//! same fields. Shape: one second of 10,000 simulated racers and their views, about 205 bytes per line.
//! Run: `cargo bench --bench decode`. The decoder must stay at least 1.5 times as fast as the best
//! library.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use serde::Deserialize;
use velodrome::ingest::decode::{decode, decode_any};
use velodrome::simulate::{Parameters, Workload};

/// The allocator of the binary, so that the figures apply to it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// The fields of an event, borrowed from the line where possible.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    event: &'a str,
    device_timestamp: u64,
    second: Option<u16>,
    race_id: Option<u64>,
    name: Option<&'a str>,
    racer_id: Option<u32>,
    class_id: Option<u16>,
    cadence: Option<f64>,
    resistance: Option<f64>,
    uuid: Option<&'a str>,
    project_id: Option<&'a str>,
    viewer_id: Option<&'a str>,
    duration_ms: Option<u32>,
}

impl Line<'_> {
    /// Reads every field, so that the compiler removes none of the work.
    fn digest(&self) -> u64 {
        let texts = [Some(self.event), self.name, self.uuid, self.project_id, self.viewer_id];
        let bytes: usize = texts.iter().flatten().map(|text| text.len()).sum();
        let numbers = [self.cadence, self.resistance].iter().flatten().sum::<f64>();
        let ids = self.race_id.unwrap_or(0) + u64::from(self.racer_id.unwrap_or(0));
        let small =
            [self.second, self.class_id].iter().flatten().map(|n| u64::from(*n)).sum::<u64>();
        let duration = u64::from(self.duration_ms.unwrap_or(0));
        bytes as u64 + numbers as u64 + ids + small + duration + self.device_timestamp
    }
}

fn lines() -> Vec<Vec<u8>> {
    let parameters = Parameters { concurrent: 10_000, ..Parameters::DEFAULT };
    let first_second = |workload: Workload| {
        workload.race_batches(0).take(1).map(|b| b.text().to_owned()).collect()
    };
    let text: Vec<Vec<u8>> = Workload::new(parameters).map(first_second).unwrap_or_default();
    let text = text.concat();
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.trim_ascii_end().into()).collect()
}

fn bench(bencher: Bencher<'_, '_>, decode: impl Fn(&mut Vec<u8>) -> bool + Sync) {
    let lines = lines();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    bencher
        .counter(ItemsCount::new(lines.len()))
        .counter(BytesCount::new(bytes))
        .with_inputs(|| lines.clone())
        .bench_local_refs(|lines| assert!(lines.iter_mut().all(&decode)));
}

#[divan::bench]
fn velodrome(bencher: Bencher<'_, '_>) {
    bench(bencher, |line| decode(line, 300).is_ok());
}

#[divan::bench]
fn velodrome_slow_path(bencher: Bencher<'_, '_>) {
    bench(bencher, |line| decode_any(line, 300).is_ok());
}

#[divan::bench]
fn serde_json(bencher: Bencher<'_, '_>) {
    bench(bencher, |line| {
        serde_json::from_slice::<Line<'_>>(line).is_ok_and(|line| line.digest() > 0)
    });
}

#[divan::bench]
fn sonic_rs(bencher: Bencher<'_, '_>) {
    bench(bencher, |line| {
        sonic_rs::from_slice::<Line<'_>>(line).is_ok_and(|line| line.digest() > 0)
    });
}

#[divan::bench]
fn simd_json(bencher: Bencher<'_, '_>) {
    bench(bencher, |line| {
        simd_json::from_slice::<Line<'_>>(line).is_ok_and(|line| line.digest() > 0)
    });
}
