//! All cores on one logical counter.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::Instant;

use mmstats::{Counter, MmStats};

use super::peers::Peers;
use super::report::Report;

const ROUNDS: usize = 11;
/// Long enough that waking the threads does not count.
const NANOSECONDS: f64 = 2e7;

#[derive(MmStats)]
#[mmstats(name = "bench-cores")]
struct Shared {
    n: Counter,
}

/// The row that must keep its bound.
const OURS: &str = "Counter through local";

/// So many increments.
type Increment = fn(u64);

static ATOMIC: AtomicU64 = AtomicU64::new(0);
static PROMETHEUS: OnceLock<prometheus::IntCounter> = OnceLock::new();
static METRICS: OnceLock<metrics::Counter> = OnceLock::new();
static METRIKEN: metriken::Counter = metriken::Counter::new();

/// Increments per nanosecond of so many threads together, each of which is warm.
fn throughput(threads: usize, operations: u64, increment: Increment) -> f64 {
    let (begin, end) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                increment(1_000);
                begin.wait();
                increment(operations);
                end.wait();
            });
        }
        begin.wait();
        let start = Instant::now();
        end.wait();
        (threads as u64 * operations) as f64 / start.elapsed().as_nanos() as f64
    })
}

pub fn measure(report: &mut Report, peers: &Peers) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let _ = PROMETHEUS.set(peers.counters.prometheus[0].clone());
    let _ = METRICS.set(peers.counters.metrics[0].clone());
    macro_rules! repeat {
        ($step:expr) => {
            |n| {
                for _ in 0..n {
                    black_box(());
                    $step;
                }
            }
        };
    }
    let contenders: [(&str, Increment); 5] = [
        (OURS, repeat!(Shared::local(|s| s.n.inc()))),
        ("fetch_add", repeat!(ATOMIC.fetch_add(1, Ordering::Relaxed))),
        ("prometheus", |n| {
            let counter = PROMETHEUS.get().expect("set above");
            (0..n).for_each(|_| counter.inc());
        }),
        ("metrics, handle", |n| {
            let counter = METRICS.get().expect("set above");
            (0..n).for_each(|_| counter.increment(1));
        }),
        ("metriken", repeat!(METRIKEN.increment())),
    ];
    report.say(&format!("All {cores} cores on one logical counter:"));
    report.table(&[
        "",
        "ns on one core",
        "ns on each of all",
        "throughput grows by",
    ]);
    for (name, increment) in contenders {
        // What is quick alone may be slow together.
        let alone = throughput(1, 100_000, increment);
        let together = throughput(cores, 100_000, increment) / cores as f64;
        let operations = (NANOSECONDS * alone.min(together)) as u64;
        let of = |threads| throughput(threads, operations, increment);
        let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (of(1), of(cores))).collect();
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (one, all) = rounds[ROUNDS / 2];
        report.row(&[
            name.to_owned(),
            format!("{:.2}", 1.0 / one),
            format!("{:.2}", cores as f64 / all),
            format!("× {:.2}", all / one),
        ]);
        if name == OURS {
            let wanted = 0.95 * cores as f64;
            report.bound(
                format!("throughput of {cores} cores ≥ {wanted:.1} × that of one"),
                format!("× {:.2}", all / one),
                all / one >= wanted,
            );
        }
    }
}
