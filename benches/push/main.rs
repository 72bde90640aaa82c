//! The cost of the pushers: 1,000 processes of 100 counters each to an OTLP receiver, and 5,000 labels to Redis.
//!
//! `cargo bench --bench push` prints the table; `-- --quick` measures for a shorter time. The pusher is a process of
//! its own, so its memory and its processor time include nothing else. Its receiver runs on the same cores.

#[path = "../directory.rs"]
mod directory;
#[allow(dead_code, reason = "the bench of reading needs more of it")]
#[path = "../read/files.rs"]
mod files;
mod otlp;
mod processes;
mod pusher;
mod redis;
#[path = "../report.rs"]
mod report;
#[path = "../usage.rs"]
mod usage;

use std::time::{Duration, Instant};

use pusher::Pusher;
use report::Report;

/// The time between two pushes of an idle pusher, as in `mmstats push`.
const INTERVAL: Duration = Duration::from_secs(10);
/// Pushes without a pause between them, so that all of their memory is still resident.
const IN_A_ROW: u32 = 10;
/// The bound on the peak resident memory of a pusher, in bytes.
const MEMORY: u64 = 96_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [otlp::ONCE, endpoint, root] => return otlp::run(endpoint, root, true),
        [otlp::AGAIN, endpoint, root] => return otlp::run(endpoint, root, false),
        [redis::RUN, url, root] => return redis::run(url, root),
        [redis::LABELS] => return redis::labels(),
        _ => {}
    }
    let intervals = if words.contains(&"--quick") { 1 } else { 3 };
    let mut report = Report::new("push", "The pushers");
    report.table(&["what", "figure"]);
    row(
        &mut report,
        "the first access to a page of memory, ten seconds after the last",
        format!("{:.2?}", idle_page()),
    );
    otlp::measure(&mut report, intervals);
    redis::measure(&mut report, intervals);
    report.finish(true);
}

fn row(report: &mut Report, what: &str, figure: String) {
    report.row(&[what.to_owned(), figure]);
}

/// Returns the cost of the first access to a page of memory that was not used for an interval. It is next to nothing,
/// except where a hypervisor takes such memory away. There a pusher pays it for each page of its own and of the files,
/// once per push.
fn idle_page() -> Duration {
    const PAGE: usize = 4096;
    const PAGES: usize = 4096;
    let mut memory = vec![1u8; PAGES * PAGE];
    std::thread::sleep(INTERVAL);
    let begin = Instant::now();
    for byte in memory.iter_mut().step_by(PAGE) {
        *std::hint::black_box(byte) += 1;
    }
    begin.elapsed() / PAGES as u32
}

/// Reports what a pusher uses in pushes one after another, then over `intervals` whole intervals with a push at the end
/// of each, and its memory after that.
fn idle(report: &mut Report, what: &str, pusher: &mut Pusher, intervals: u32) {
    let before = pusher.processor_time();
    for _ in 0..IN_A_ROW {
        pusher.push();
    }
    let time = (pusher.processor_time() - before) / IN_A_ROW;
    let share = time.as_secs_f64() / INTERVAL.as_secs_f64();
    row(
        report,
        &format!("{what}: processor time of a push, {IN_A_ROW} in a row"),
        format!("{time:.1?}, {:.2} % of an interval", 100.0 * share),
    );
    let before = pusher.processor_time();
    let begin = Instant::now();
    let mut last = Duration::ZERO;
    for _ in 0..intervals {
        std::thread::sleep(INTERVAL);
        last = pusher.push().time;
    }
    let share = (pusher.processor_time() - before).as_secs_f64() / begin.elapsed().as_secs_f64();
    row(
        report,
        &format!("{what}: a later push"),
        format!("{last:.1?}"),
    );
    report.bound(
        format!("{what}, a push every 10 s: ≤ 1 % of a core"),
        format!("{:.2} %", 100.0 * share),
        share <= 0.01,
    );
    row(
        report,
        &format!("{what}: memory between two pushes"),
        megabytes(pusher.resident()),
    );
    memory(report, &format!("{what}, again and again"), pusher.peak());
}

fn memory(report: &mut Report, what: &str, peak: u64) {
    let wanted = format!("{what}: at most {} of memory", megabytes(MEMORY));
    report.bound(wanted, megabytes(peak), peak <= MEMORY);
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
