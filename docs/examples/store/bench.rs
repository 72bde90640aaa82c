//! What the statistics cost: `cargo run --release --example store -- --bench`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mmstats::Stopwatch;
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::connector::{Connector, MemoryConnector};
use super::error::Error;
use super::key::Key;
use super::serializer;
use super::store::Store;

/// Calls in a round. A round takes about a millisecond, so even on a busy machine many rounds are not interrupted.
const CALLS: u32 = 2_000;
const ROUNDS: usize = 1_500;
/// How often a `get` of the memory connector reads the clock, not counting its one read of the kernel's coarse clock.
const READINGS: u32 = 4;

/// An object of 1 KiB.
#[derive(Serialize, Deserialize)]
struct Object {
    words: Vec<u64>,
    text: String,
}

/// Returns the least nanoseconds per call of each. Rounds alternate, so whatever slows the machine down slows all of
/// them.
fn least<const N: usize>(calls: [&dyn Fn(); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (call, least) in calls.iter().zip(&mut least) {
            let begin = Instant::now();
            (0..CALLS).for_each(|_| call());
            let took = begin.elapsed().as_nanos() as f64 / f64::from(CALLS);
            *least = least.min(took);
        }
    }
    least
}

/// Does by hand what `get` does, and calls `mark` where the store reads the clock.
fn by_hand(store: &Store<MemoryConnector>, key: &Key, mark: impl Fn()) {
    mark();
    let bytes = store.connector().get(black_box(key));
    mark();
    if let Ok(Some(bytes)) = bytes {
        let object = serializer::caught(|| {
            serializer::deserialize::<Object>(&bytes).map_err(serializer::failed)
        });
        mark();
        let object = object.map(Arc::new);
        drop(bytes);
        // The object belongs to the caller, who drops it after the call.
        mark();
        drop(black_box(object));
    }
}

fn read_clock() {
    black_box(Stopwatch::start());
}

fn store(name: &str, cached: usize, on: bool) -> Result<Store<MemoryConnector>, Error> {
    let builder = Store::builder(name).cache_size(cached).with_stats(on);
    builder.build(MemoryConnector::default())
}

pub fn run() -> Outcome {
    let object = Object {
        words: (0..64).map(|n| u64::MAX - n).collect(),
        text: "x".repeat(1024 - 640),
    };
    let key = Key::new("object")?;
    let stores = |cached| -> Result<[Store<MemoryConnector>; 2], Error> {
        let stores = [
            store("plain", cached, false)?,
            store("counted", cached, true)?,
        ];
        for store in &stores {
            store.set_at(&key, &object)?;
            store.get::<Object>(&key)?;
        }
        Ok(stores)
    };
    let get = |store: &Store<MemoryConnector>| {
        drop(black_box(store.get::<Object>(black_box(&key))));
    };

    let [plain, counted] = stores(0)?;
    let [without, with, unmarked, marked, alone] = least([
        &|| get(&plain),
        &|| get(&counted),
        &|| by_hand(&plain, &key, || ()),
        &|| by_hand(&plain, &key, read_clock),
        &|| (0..READINGS).for_each(|_| read_clock()),
    ]);
    plain.close();
    counted.close();
    let (more, in_place) = (with - without, marked - unmarked);
    println!(
        "get, memory connector, 1 KiB: {without:.1} ns without statistics, {with:.1} ns with: {more:.1} ns more.\n\
         {READINGS} clock readings: {in_place:.1} ns in their places, {alone:.1} ns one after another.\n\
         Beyond those in their places: {:.1} ns ({:.1} %); beyond those one after another: {:.1} ns ({:.1} %).",
        more - in_place,
        100.0 * (more - in_place) / without,
        more - alone,
        100.0 * (more - alone) / without,
    );

    let [plain, counted] = stores(16)?;
    let [without, with] = least([&|| get(&plain), &|| get(&counted)]);
    plain.close();
    counted.close();
    println!("get, cached: {without:.1} ns without statistics, {with:.1} ns with.");
    Ok(())
}
