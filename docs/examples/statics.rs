//! Statics, for code that has no place to keep a handle. `cargo run --example statics`
//!
//! With `-- --stay` it runs for a minute; meanwhile `mmstats show` in another terminal shows the same.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{SharedCounter, SharedGauge, SharedPercentile, SharedTimer};

static HITS: SharedCounter =
    SharedCounter::new("cache", "hits").help("Lookups answered from memory.");
static MISSES: SharedCounter = SharedCounter::new("cache", "misses");
/// One value for the whole process.
static RUNNING: SharedGauge<i64> = SharedGauge::new("cache", "running");
static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
static SIZE: SharedPercentile = SharedPercentile::new("cache", "entry_size").unit("bytes");

/// A function of a library, which is called on any thread.
fn lookup(key: u64) -> Option<u64> {
    RUNNING.add(1);
    let _timing = LOOKUP.start();
    if key.is_multiple_of(3) {
        MISSES.inc();
        RUNNING.add(-1);
        return None;
    }
    HITS.inc();
    SIZE.record(key);
    RUNNING.add(-1);
    Some(key)
}

fn main() -> Result<(), mmstats::Error> {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..3000).filter_map(lookup).count());
        }
    });
    for (model, label, value) in Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    // Time to look at the metrics with `mmstats`.
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
