//! Cost of sending samples between processes: bincode, which timely has used since 2024, against
//! abomonation, which it used before (unsound: RUSTSEC-2021-0120).
//!
//! Shape: containers of 100 samples, as timely sends them. Workers of one process exchange samples
//! without serialization and use neither.
//!
//! Run: `cargo bench -p velodrome-codec-bench`.

use divan::Bencher;
use divan::counter::ItemsCount;
use velodrome_dataflows::{Rules, ScoredSample};

fn main() {
    divan::main();
}

const SAMPLES: u64 = 100;

/// A sample as a tuple: abomonation is not implemented for our types. Its name is on the heap.
type Plain = ((u64, u64, u64, f64), (Option<String>, u32, (u16, u16, bool)));

fn scored() -> Vec<ScoredSample> {
    let rules = Rules::default();
    let sample = |i: u64| ScoredSample {
        clock: 1_620_240_000_000 + i,
        race: 5_400_800,
        name_at: 1_620_240_000_000 + i,
        output: rules.output(60.0 + i as f64 / 3.0, 50.0),
        name: Some("Mabelle".into()),
        racer: i as u32,
        class: 1 + (i % 6) as u16,
        second: 1 + i as u16,
        is_final: false,
    };
    (0..SAMPLES).map(sample).collect()
}

fn plain() -> Vec<Plain> {
    let tuple = |s: ScoredSample| {
        let name = s.name.map(|name| name.to_string());
        ((s.clock, s.race, s.name_at, s.output), (name, s.racer, (s.class, s.second, s.is_final)))
    };
    scored().into_iter().map(tuple).collect()
}

#[divan::bench]
fn bincode_in_use(bencher: Bencher<'_, '_>) {
    let (samples, mut bytes) = (scored(), Vec::new());
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        bytes.clear();
        bincode::serialize_into(&mut bytes, &samples).unwrap();
        bincode::deserialize::<Vec<ScoredSample>>(&bytes).unwrap()
    });
}

#[divan::bench]
fn bincode_of_tuples(bencher: Bencher<'_, '_>) {
    let (samples, mut bytes) = (plain(), Vec::new());
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        bytes.clear();
        bincode::serialize_into(&mut bytes, &samples).unwrap();
        bincode::deserialize::<Vec<Plain>>(&bytes).unwrap()
    });
}

#[divan::bench]
fn abomonation_of_tuples(bencher: Bencher<'_, '_>) {
    let (samples, mut bytes) = (plain(), Vec::new());
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        bytes.clear();
        // SAFETY: none. The advisory says that there is no sound call. No padding is read here, and the
        // bytes are from this process.
        let samples = unsafe {
            abomonation::encode(&samples, &mut bytes).unwrap();
            abomonation::decode::<Vec<Plain>>(&mut bytes).unwrap().0
        };
        // The receiver needs an owned copy: the decoded value borrows the bytes.
        samples.clone()
    });
}
