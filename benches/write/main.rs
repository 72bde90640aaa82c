//! What a write costs, beside plain memory and the peers, in one run.
//!
//! `cargo bench --bench write` prints a table: nanoseconds per operation (the median and the least of
//! interleaved rounds, so that all rows share the machine's moods), the ratio to the row that limits
//! it, and the bound. `cargo bench --bench write -- --instructions` adds instructions per operation,
//! counted by callgrind where valgrind is installed. `-- NAME…` runs the rows whose names contain one.

use std::cell::Cell;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mmstats::{
    Average, Compound, Counter, Groups, MmStats, MmValue, MovingAverage, Percentile,
    SamplingCounter, Stats, Stopwatch, Summary, Timer,
};

const ROUNDS: usize = 41;
const OPERATIONS: u64 = 200_000;
/// Values of a row that rotates.
const FIELDS: usize = 8;

#[derive(MmStats)]
#[mmstats(name = "bench-write")]
struct Model {
    a: Counter,
    b: Counter,
    c: Counter,
    d: Counter,
    e: Counter,
    f: Counter,
    g: Counter,
    h: Counter,
    size: Percentile,
    time: Timer,
    compound: Compound<Line>,
    summary: Summary,
    average: Average,
    moving: MovingAverage,
    sampled: SamplingCounter,
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

/// 64 bytes.
#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Line {
    words: [u64; 8],
}

/// Sixteen models of one thread.
mod sixteen {
    use mmstats::{Counter, MmStats};
    macro_rules! models {
        ($($name:ident)*) => {
            $(#[derive(MmStats)] pub struct $name { n: Counter })*
            /// One increment.
            #[inline(always)]
            pub fn one() {
                M0::local(|s| s.n.inc());
            }
            /// One increment in each of the sixteen.
            #[inline(always)]
            pub fn each() {
                $($name::local(|s| s.n.inc());)*
            }
        };
    }
    models!(M0 M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15);
}

/// Everything that the rows write to.
struct Setup {
    plain: Cell<u64>,
    cells: [AtomicU64; FIELDS],
    ten: [AtomicU64; 10],
    atomic: AtomicU64,
    hdr: Histogram<u64>,
    stats: Stats<Model>,
    line: Line,
    clock: quanta::Clock,
}

/// Values over two decades, different at every step.
fn spread(i: u64) -> u64 {
    1_000 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 99_000
}

/// A row: its name, the rows whose sum limits it with the greatest ratio allowed, the most
/// nanoseconds, the most beyond another row, how many operations a step is, and a step in a loop.
struct Row {
    name: &'static str,
    limit: Option<(&'static [&'static str], f64)>,
    most: Option<f64>,
    beyond: Option<(f64, &'static str)>,
    per_step: u64,
    run: fn(&mut Setup, u64),
}

macro_rules! row {
    ($name:literal, |$setup:ident, $i:ident| $step:expr $(, limit $ratio:literal of $($limit:literal)and+)? $(, most $most:literal)? $(, beyond $clock:literal by $nanos:literal)? $(, per $per:literal)?) => {
        Row {
            name: $name,
            limit: None$(.or(Some((&[$($limit),+], $ratio))))?,
            most: None$(.or(Some($most)))?,
            beyond: None$(.or(Some(($nanos, $clock))))?,
            per_step: 1$( * $per)?,
            run: |$setup, n| {
                for $i in 0..n {
                    $step;
                }
            },
        }
    };
}

/// One increment of each of the eight counters.
#[inline(always)]
fn rotate(model: &Model) {
    model.a.inc();
    model.b.inc();
    model.c.inc();
    model.d.inc();
    model.e.inc();
    model.f.inc();
    model.g.inc();
    model.h.inc();
}

fn rows() -> Vec<Row> {
    vec![
        row!("plain u64 += 1", |s, _i| {
            let cell = black_box(&s.plain);
            cell.set(cell.get() + 1);
        }),
        row!("fetch_add", |s, _i| black_box(&s.atomic)
            .fetch_add(1, Ordering::Relaxed)),
        row!("Counter::inc", |s, _i| black_box(&s.stats.a).inc(), limit 1.15 of "plain u64 += 1"),
        row!("local Counter::inc", |_s, _i| {
            black_box(());
            Model::local(|model| model.a.inc());
        }, most 0.5),
        row!("plain, 8 cells in turn", |s, _i| {
            // Atomics only so that the eight are not made one vector.
            for cell in black_box(&s.cells) {
                cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
        }, per 8),
        row!("Counter, 8 fields in turn", |s, _i| rotate(black_box(&s.stats)), limit 1.15 of "plain, 8 cells in turn", per 8),
        row!("plain, 8 cells by index", |s, i| {
            let cell = &black_box(&s.cells)[i as usize % FIELDS];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }),
        row!("Counter, 8 fields by index", |s, i| {
            let model = black_box(&*s.stats);
            match i % 8 {
                0 => model.a.inc(),
                1 => model.b.inc(),
                2 => model.c.inc(),
                3 => model.d.inc(),
                4 => model.e.inc(),
                5 => model.f.inc(),
                6 => model.g.inc(),
                _ => model.h.inc(),
            }
        }, limit 1.15 of "plain, 8 cells by index"),
        row!("1 model, local", |_s, _i| {
            for _ in 0..16 {
                black_box(());
                sixteen::one();
            }
        }, per 16),
        row!("16 models, local", |_s, _i| { black_box(()); sixteen::each() }, limit 1.5 of "1 model, local", per 16),
        row!("group(known)", |s, _i| s.stats.handlers.group(black_box("index")).requests.inc(), most 25.0),
        row!("10 plain stores", |s, i| {
            // What the publication of 64 bytes has to store: two marks and eight words.
            for cell in black_box(&s.ten) {
                cell.store(i, Ordering::Relaxed);
            }
        }),
        row!("Compound of 64 bytes, set", |s, _i| s.stats.compound.set(*black_box(&s.line)), most 1.5),
        row!("Compound of 64 bytes, update", |s, i| s
            .stats
            .compound
            .update(|line| line.words[0] += i)),
        row!("hdrhistogram, 2 digits", |s, i| s
            .hdr
            .record(spread(i))
            .expect("in range")),
        row!("Percentile::record", |s, i| s.stats.size.record(spread(i)), limit 1.2 of "hdrhistogram, 2 digits", most 2.4),
        row!("2 × Instant::now", |_s, _i| black_box(
            Instant::now().elapsed()
        )),
        row!("2 × quanta", |s, _i| {
            let start = s.clock.raw();
            black_box(s.clock.delta_as_nanos(start, s.clock.raw()))
        }),
        row!("Timer, start to stop", |s, _i| s.stats.time.start().stop(), limit 1.3 of "2 × quanta" and "Percentile::record"),
        row!("Timer beside Instant", |s, _i| s.stats.time.start().stop(), limit 0.6 of "2 × Instant::now"),
        // With what the next row's own random value costs.
        row!("coarse clock", |_s, i| black_box((
            spread(i) as f64,
            coarse_clock()
        ))),
        row!("Summary::record", |s, i| s.stats.summary.record(spread(i) as f64), beyond "coarse clock" by 3.0),
        row!("Average::record", |s, i| s
            .stats
            .average
            .record(spread(i) as f64)),
        row!("MovingAverage::record", |s, i| s
            .stats
            .moving
            .record(spread(i) as f64)),
        row!("SamplingCounter::inc", |s, _i| black_box(&s.stats.sampled)
            .inc()),
        row!("Stopwatch", |_s, _i| black_box(
            Stopwatch::start().elapsed()
        )),
    ]
}

/// What a summary reads the time of its last value from.
fn coarse_clock() -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now) };
    now
}

fn setup() -> Setup {
    let stats = Model::builder()
        .path(std::env::temp_dir().join("mmstats-bench"))
        .create();
    let stats = stats.expect("a file in the temporary directory");
    stats.handlers.group("index");
    for i in 0..10_000 {
        stats.size.record(spread(i));
        stats.time.record(Duration::from_nanos(i));
    }
    Setup {
        plain: Cell::new(0),
        cells: [const { AtomicU64::new(0) }; FIELDS],
        ten: [const { AtomicU64::new(0) }; 10],
        atomic: AtomicU64::new(0),
        hdr: Histogram::new_with_bounds(1, u64::MAX / 2, 2).expect("two digits"),
        stats,
        line: Line { words: [7; 8] },
        clock: quanta::Clock::new(),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [one, name, n] = &arguments[..]
        && one == "--run"
    {
        // For callgrind: the row, so many times.
        let row = rows()
            .into_iter()
            .find(|row| row.name == name)
            .expect("a row's name");
        measured(&row, &mut setup(), n.parse().expect("a number"));
        return;
    }
    let instructions = arguments.iter().any(|word| word == "--instructions");
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let rows: Vec<Row> = rows()
        .into_iter()
        .filter(|row| wanted.is_empty() || wanted.iter().any(|word| row.name.contains(*word)))
        .collect();

    let mut setup = setup();
    let mut rounds: Vec<Vec<f64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (row, times) in rows.iter().zip(&mut rounds) {
            let steps = OPERATIONS / row.per_step;
            let start = Instant::now();
            (row.run)(&mut setup, steps);
            times.push(start.elapsed().as_nanos() as f64 / (steps * row.per_step) as f64);
        }
    }
    println!("| operation | median ns | least ns | instructions | bound | ratio | |");
    println!("|---|---:|---:|---:|---|---:|---|");
    for (index, row) in rows.iter().enumerate() {
        let (middle, least) = (median(&rounds[index]), least(&rounds[index]));
        let counted = if instructions { count(row) } else { None };
        let mut bounds = Vec::new();
        let mut kept = true;
        let mut shown = String::new();
        if let Some(most) = row.most {
            bounds.push(format!("≤ {most} ns"));
            kept &= middle <= most;
        }
        if let Some((names, most)) = row.limit {
            // Round by round: what disturbs both does not disturb the ratio.
            let others = || {
                rows.iter()
                    .zip(&rounds)
                    .filter(|(row, _)| names.contains(&row.name))
            };
            let limit = |round: usize| others().map(|(_, times)| times[round]).sum::<f64>();
            let ratios: Vec<f64> = (0..ROUNDS)
                .map(|round| rounds[index][round] / limit(round))
                .collect();
            bounds.push(format!("≤ {most} × ({})", names.join(" + ")));
            kept &= median(&ratios) <= most;
            shown = format!("{:.2}", median(&ratios));
        }
        if let Some((most, clock)) = row.beyond
            && let Some(other) = rows.iter().position(|row| row.name == clock)
        {
            let beyond = |round: usize| rounds[index][round] - rounds[other][round];
            let beyond = median(&(0..ROUNDS).map(beyond).collect::<Vec<f64>>());
            bounds.push(format!("≤ {most} ns + ({clock})"));
            kept &= beyond <= most;
            shown = format!("+ {beyond:.2}");
        }
        println!(
            "| {} | {middle:.2} | {least:.2} | {} | {} | {shown} | {} |",
            row.name,
            counted.map_or(String::new(), |n| format!("{n:.0}")),
            bounds.join(", "),
            if bounds.is_empty() {
                ""
            } else if kept {
                "kept"
            } else {
                "MISSED"
            },
        );
    }
}

/// What callgrind counts: nothing of the setup.
#[inline(never)]
fn measured(row: &Row, setup: &mut Setup, steps: u64) {
    (row.run)(setup, steps);
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Instructions per operation: what callgrind counts for twice as many steps more, by the difference.
fn count(row: &Row) -> Option<f64> {
    let total = |steps: u64| -> Option<f64> {
        let output = Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                "--toggle-collect=*measured*",
            ])
            .arg(std::env::current_exe().ok()?)
            .args(["--run", row.name, &steps.to_string()])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.contains("Collected"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let (few, many) = (10_000, 20_000);
    Some((total(many)? - total(few)?) / ((many - few) * row.per_step) as f64)
}
