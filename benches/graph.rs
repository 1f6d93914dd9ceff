//! Throughput of the graph alone, on events that are parsed and in memory.
//!
//! Shape: the standard workload. Races of 300 s, each with 1,000 of 40,000 racers in six classes, one
//! sample per racer and second, and 5 % tracking events. Events are sent in chunks of 20,000, as in a
//! replay. Prints events/s with 1 and 2 workers, without decoding and result files.
//!
//! Run: `cargo bench --bench graph`. Compare with the figures in docs/design/decisions.md.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::progress::frontier::AntichainRef;
use velodrome_dataflows::{Inputs, Mode, Rules, Sample, Tracking, graph};

/// The allocator of the binary, so that the figures apply to it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RACES: u64 = 36;
const CONCURRENT: u64 = 1000;
const RACERS: u64 = 40_000;
const CHUNK: usize = 20_000;
const START: u64 = 1_620_240_000_000;

#[derive(Default)]
struct Chunk {
    time: u64,
    samples: Vec<Sample>,
    tracking: Vec<Tracking>,
}

/// The events in the order of the clock. A chunk has a few seconds of a race.
fn chunks() -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = vec![Chunk::default()];
    for race in 0..RACES {
        for second in 1..=300u16 {
            let clock = START + race * 300_000 + u64::from(second) * 1000;
            if chunks.last().is_some_and(|chunk| chunk.samples.len() >= CHUNK) {
                chunks.push(Chunk::default());
            }
            let Some(chunk) = chunks.last_mut() else { continue };
            chunk.time = clock;
            for slot in 0..CONCURRENT {
                // 7919 is prime: each race has different racers, and none of them twice.
                let racer = (slot + race * 7919) % RACERS;
                let progress = f64::from(second) / 300.0;
                chunk.samples.push(Sample {
                    clock,
                    race,
                    device_ms: clock - slot % 200,
                    cadence: 60.0 + (racer % 40) as f64 + 3.0 * progress,
                    resistance: 30.0 + (racer % 50) as f64 + 2.0 * progress,
                    name: Some("Mabelle".into()),
                    device_hash: 0,
                    racer: racer as u32,
                    class: (slot % 6) as u16 + 1,
                    second,
                    is_final: second == 300,
                });
                if slot % 20 == 0 {
                    let id = u128::from(clock * CONCURRENT + slot);
                    chunk.tracking.push(Tracking {
                        clock,
                        uuid: id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
                        project: format!("project-{}", id % 200).into(),
                        duration_ms: 5000,
                        is_view: slot % 100 == 0,
                    });
                }
            }
        }
    }
    chunks
}

/// Seconds from sending the first event until the last update is arranged.
fn run(workers: usize, chunks: Vec<Chunk>) -> f64 {
    let times: Arc<Vec<u64>> = Arc::new(chunks.iter().map(|chunk| chunk.time).collect());
    let chunks: Arc<Vec<_>> = Arc::new(chunks.into_iter().map(|c| Mutex::new(Some(c))).collect());
    let started = Instant::now();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
        let probe = Handle::new();
        let mut traces = worker.dataflow(|scope| {
            let inputs = Inputs {
                samples: samples.to_stream(scope),
                tracking: tracking.to_stream(scope),
                saved_changes: empty(scope),
                saved_views: empty(scope),
                bans: empty(scope),
            };
            let graph = graph(inputs, Rules::default(), Mode::Replay { until: u64::MAX });
            graph.arranged.probe_with(&probe);
            graph.traces
        });
        for (index, (chunk, time)) in chunks.iter().zip(times.iter()).enumerate() {
            samples.advance_to(*time);
            tracking.advance_to(*time);
            let chunk = (index % worker.peers() == worker.index())
                .then(|| chunk.lock().ok().and_then(|mut chunk| chunk.take()))
                .flatten();
            if let Some(mut chunk) = chunk {
                samples.send_batch(&mut chunk.samples);
                tracking.send_batch(&mut chunk.tracking);
            }
            worker.step();
            // As in a replay, a worker is at most a few chunks ahead of the others.
            let complete = times.get(index.saturating_sub(4)).copied().unwrap_or_default();
            worker.step_or_park_while(None, || probe.less_than(&complete));
            let frontier = [complete];
            let frontier = AntichainRef::new(&frontier);
            traces.compact(frontier, frontier);
        }
        samples.close();
        tracking.close();
        worker.step_or_park_while(None, || !probe.done());
    });
    if let Ok(guards) = guards {
        guards.join().into_iter().for_each(drop);
    }
    started.elapsed().as_secs_f64()
}

fn main() {
    for _ in 0..3 {
        for workers in [1, 2] {
            let chunks = chunks();
            let events: usize = chunks.iter().map(|c| c.samples.len() + c.tracking.len()).sum();
            let seconds = run(workers, chunks);
            let rate = events as f64 / seconds / 1e6;
            println!(
                "{workers} worker(s): {events} events in {seconds:.3} s, {rate:.1} M events/s"
            );
        }
    }
}
