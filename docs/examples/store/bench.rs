//! What the statistics cost: `cargo run --release --example store -- --bench`.

use std::hint::black_box;
use std::time::Instant;

use mmstats::Stopwatch;
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::connector::MemoryConnector;
use super::key::Key;
use super::store::Store;

const CALLS: u32 = 200_000;
const ROUNDS: usize = 15;

/// An object of 1 KiB.
#[derive(Serialize, Deserialize)]
struct Object {
    words: Vec<u64>,
    text: String,
}

/// The best of some rounds, in nanoseconds for a call.
fn best(mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let begin = Instant::now();
        (0..CALLS).for_each(|_| call());
        begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

pub fn run() -> Outcome {
    let object = Object {
        words: (0..64).map(|n| u64::MAX - n).collect(),
        text: "x".repeat(1024 - 640),
    };
    let key = Key::new("object")?;
    let get = |cached: usize, on: bool| -> Result<f64, super::error::Error> {
        let builder = Store::builder("bench").cache_size(cached).with_stats(on);
        let store = builder.build(MemoryConnector::default())?;
        store.set_at(&key, &object)?;
        let took = best(|| drop(black_box(store.get::<Object>(black_box(&key)))));
        store.close();
        Ok(took)
    };
    // A reading for the start, one for the end: as often as `get` does, with parts and without.
    let readings = |pairs: u32| {
        best(|| {
            (0..pairs).for_each(|_| {
                black_box(Stopwatch::start().elapsed());
            });
        })
    };
    for (what, cached, pairs) in [("memory connector, 1 KiB", 0, 3), ("cached", 16, 1)] {
        let (without, with, clock) = (get(cached, false)?, get(cached, true)?, readings(pairs));
        let rest = with - without - clock;
        println!(
            "get, {what}: {without:.0} ns without statistics, {with:.0} ns with; {} clock readings alone {clock:.0} ns; \
             beyond them {rest:.0} ns ({:.1} %)",
            2 * pairs,
            100.0 * rest / without
        );
    }
    Ok(())
}
