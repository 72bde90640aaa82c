//! All cores on one logical metric: a counter, a histogram, a compound of 64 bytes.
//!
//! The peers have one value that all threads write. Ours have one for each thread, which `local` finds, and
//! readers merge them: they add up counters and histograms, and merge each number of a compound by its own rule.
//! So the bound on ours is that threads do not slow each other down at all.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mmstats::{Compound, Counter, MmStats, Percentile, SharedCounter};

use super::peers::{Peers, UPKEEP};
use super::report::Report;
use super::row::spread;
use super::setup::{Facade, Line};

const ROUNDS: usize = 15;
/// Long enough that waking the threads does not matter.
const ROUND: Duration = Duration::from_millis(20);
/// Operations between two reads of the clock: enough that the reads do not matter, and few enough that a peer that
/// is fast alone but slow on all cores, as some are, ends in time.
const CHUNK: u64 = 4_096;

#[derive(MmStats)]
#[mmstats(name = "bench-cores")]
struct Shared {
    n: Counter,
    size: Percentile,
    line: Compound<Line>,
}

/// Does one operation for each of these numbers.
type Operations<'a> = Box<dyn Fn(Range<u64>) + Sync + 'a>;

/// Names and operations. The first is ours, and the bound is on it.
type Contenders<'a> = Vec<(&'static str, Operations<'a>)>;

macro_rules! operations {
    (|$i:ident| $step:expr) => {
        Box::new(move |numbers: Range<u64>| {
            for $i in numbers {
                black_box(());
                $step;
            }
        })
    };
}

pub fn measure(report: &mut Report, peers: &Peers, facade: &Facade) {
    let atomic = AtomicU64::new(0);
    compare(report, "counter", &counters(peers, facade, &atomic));
    compare(report, "histogram", &histograms(peers));
    compare(report, "value of 64 bytes", &structs(peers));
}

static HITS: SharedCounter = SharedCounter::new("bench-cores-statics", "hits");

fn counters<'a>(peers: &'a Peers, facade: &'a Facade, atomic: &'a AtomicU64) -> Contenders<'a> {
    let recorder = &facade.counter;
    let prometheus = &peers.counters.prometheus[0];
    let prometheus_client = &peers.counters.prometheus_client[0];
    let metrics = &peers.counters.metrics[0];
    let metriken = &peers.counters.metriken[0];
    let opentelemetry = &peers.counters.opentelemetry[0];
    vec![
        (
            "Counter through local",
            operations!(|_i| Shared::local(|s| s.n.inc())),
        ),
        ("SharedCounter", operations!(|_i| HITS.inc())),
        ("recorder, handle", operations!(|_i| recorder.increment(1))),
        (
            "fetch_add",
            operations!(|_i| atomic.fetch_add(1, Ordering::Relaxed)),
        ),
        ("prometheus", operations!(|_i| prometheus.inc())),
        (
            "prometheus-client",
            operations!(|_i| prometheus_client.inc()),
        ),
        ("metrics, handle", operations!(|_i| metrics.increment(1))),
        ("metriken", operations!(|_i| metriken.increment())),
        ("opentelemetry", operations!(|_i| opentelemetry.add(1, &[]))),
    ]
}

fn histograms(peers: &Peers) -> Contenders<'_> {
    let prometheus = &peers.histograms.prometheus[0];
    let prometheus_client = &peers.histograms.prometheus_client[0];
    let metrics = &peers.histograms.metrics[0];
    let exporter = &peers.exporter;
    let metriken = &peers.histograms.metriken[0];
    let opentelemetry = &peers.histograms.opentelemetry[0];
    vec![
        (
            "Percentile through local",
            operations!(|i| Shared::local(|s| s.size.record(spread(i)))),
        ),
        (
            "prometheus histogram",
            operations!(|i| prometheus.observe(spread(i) as f64 / 1e5)),
        ),
        (
            "prometheus-client histogram",
            operations!(|i| prometheus_client.observe(spread(i) as f64 / 1e5)),
        ),
        (
            "metrics histogram, with its upkeep",
            operations!(|i| {
                metrics.record(spread(i) as f64);
                if i % UPKEEP == UPKEEP - 1 {
                    exporter.run_upkeep();
                }
            }),
        ),
        (
            "metriken histogram",
            operations!(|i| metriken.increment(spread(i)).expect("in range")),
        ),
        (
            "opentelemetry histogram",
            operations!(|i| opentelemetry.record(spread(i), &[])),
        ),
    ]
}

fn structs(peers: &Peers) -> Contenders<'_> {
    let seqlock = &peers.cells.seqlock[0];
    let crossbeam = &peers.cells.crossbeam[0];
    let mutex = &peers.cells.mutex[0];
    let line = Line { words: [7; 8] };
    vec![
        (
            "Compound of 64 bytes through local",
            operations!(|_i| Shared::local(|s| s.line.set(*black_box(&line)))),
        ),
        (
            "seqlock",
            operations!(|_i| *seqlock.lock_write() = *black_box(&line)),
        ),
        (
            "crossbeam AtomicCell",
            operations!(|_i| crossbeam.store(*black_box(&line))),
        ),
        (
            "Mutex",
            operations!(|_i| *mutex.lock().expect("no panic") = *black_box(&line)),
        ),
    ]
}

/// Reports a table of the contenders that write one `what`, and the bound on the first.
fn compare(report: &mut Report, what: &str, contenders: &Contenders) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    report.say(&format!("All {cores} cores on one logical {what}:"));
    report.table(&[
        "",
        "ns on one of them",
        "ns on each of all",
        "throughput grows by",
    ]);
    let mut found: Vec<Vec<(f64, f64)>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        // In turns: if a core is lent to somebody else for a second, no single row bears all of it.
        for ((_, operations), rounds) in contenders.iter().zip(&mut found) {
            rounds.push(throughput(cores, operations));
        }
    }
    for (index, ((name, _), mut rounds)) in contenders.iter().zip(found).enumerate() {
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (one, all) = rounds[ROUNDS / 2];
        report.row(&[
            (*name).to_owned(),
            format!("{:.2}", 1.0 / one),
            format!("{:.2}", cores as f64 / all),
            format!("× {:.2}", all / one),
        ]);
        if index == 0 {
            let wanted = 0.95 * cores as f64;
            report.bound(
                format!("{name}: throughput of {cores} cores ≥ {wanted:.1} × that of one"),
                format!("× {:.2}", all / one),
                all / one >= wanted,
            );
        }
    }
}

/// Returns the operations per nanosecond of one thread while the others sleep, as the mean over all threads, and of
/// all threads together. Both are of the same threads with the same fields, because the place of a field may make it
/// slow.
fn throughput(threads: usize, operations: &Operations) -> (f64, f64) {
    let all = Barrier::new(threads);
    let run = |thread: usize| {
        stay_on_core(thread);
        // Each thread has its own numbers: threads that record the same values would contend more than in practice.
        let mut next = (thread as u64) << 32;
        let mut chunk = || {
            operations(next..next + CHUNK);
            next += CHUNK;
        };
        chunk();
        let mut timed = || {
            let start = Instant::now();
            let mut done = 0;
            while start.elapsed() < ROUND {
                chunk();
                done += CHUNK;
            }
            done as f64 / start.elapsed().as_nanos() as f64
        };
        let mut alone = 0.0;
        for turn in 0..threads {
            all.wait();
            if turn == thread {
                alone = timed();
            }
        }
        all.wait();
        (alone, timed())
    };
    std::thread::scope(|scope| {
        let run = &run;
        let start = |thread| scope.spawn(move || run(thread));
        let running: Vec<_> = (0..threads).map(start).collect();
        let each = (running.into_iter()).map(|thread| thread.join().expect("no panic"));
        let (alone, together) = each.fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        (alone / threads as f64, together)
    })
}

/// Pins this thread to one of the cores that the process may use: two threads that have just been started share one
/// core for a while, and slow each other down.
fn stay_on_core(number: usize) {
    // SAFETY: zeros are an empty set, each size is that of the set, and no core number reaches `CPU_SETSIZE`.
    unsafe {
        let mut all: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&all), &mut all);
        let allowed = |core: &usize| libc::CPU_ISSET(*core, &all);
        let core = (0..libc::CPU_SETSIZE as usize).filter(allowed).nth(number);
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core.expect("as many as there are threads"), &mut one);
        libc::sched_setaffinity(0, size_of_val(&one), &one);
    }
}
