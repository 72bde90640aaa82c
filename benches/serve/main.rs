//! The cost of the agent: a page for Prometheus of 1,000 files of 100 counters beside prometheus_client's multiprocess
//! mode, many scrapes, an agent without requests, and how much a scrape slows a writer.
//!
//! `cargo bench --bench serve` prints the table; `-- --quick` measures for a shorter time. The agent is a process of
//! its own, so its memory and its processor time include nothing else.

mod agent;
#[path = "../directory.rs"]
mod directory;
#[allow(dead_code, reason = "the bench of reading needs more of it")]
#[path = "../read/files.rs"]
mod files;
#[path = "../read/python.rs"]
mod python;
#[path = "../report.rs"]
mod report;
#[path = "../usage.rs"]
mod usage;

use std::thread::sleep;
use std::time::{Duration, Instant};

use agent::Agent;
use files::{Content, Files};
use mmstats::{Counter, MmStats};
use python::Python;
use report::Report;

/// Longer than the agent reuses a reading, so each request makes it read.
const BETWEEN: Duration = Duration::from_millis(400);
const SCRAPES_A_SECOND: u32 = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [one, root] = &arguments[..]
        && one == agent::RUN
    {
        return agent::run(root.as_ref());
    }
    let is_quick = arguments.iter().any(|word| word == "--quick");
    let seconds = if is_quick { 5 } else { 30 };
    let mut report = Report::new("serve", "The agent");
    report.table(&["what", "figure"]);
    let files = Files::write(Content::Counters, 1_000);
    let agent = Agent::start(files.root());
    let page = page(&mut report, &agent);
    if let Some(python) = Python::find() {
        let python = python.collect(1_000, Content::Counters.values());
        let ratio = python.as_secs_f64() / page.as_secs_f64();
        row(
            &mut report,
            "the same values by prometheus_client, multiprocess",
            format!("{python:.1?}"),
        );
        report.bound(
            "≥ 20 × faster than that".to_owned(),
            format!("× {ratio:.0}"),
            ratio >= 20.0,
        );
    }
    many(&mut report, &agent, seconds);
    let memory = agent.resident();
    report.bound(
        "≤ 96 MB resident".to_owned(),
        format!("{:.1} MB", memory as f64 / 1e6),
        memory <= 96_000_000,
    );
    drop(agent);
    drop(files);
    idle(&mut report, seconds);
    writer(&mut report, seconds);
    report.finish(true);
}

fn row(report: &mut Report, what: &str, figure: String) {
    report.row(&[what.to_owned(), figure]);
}

/// Times pages that each need a new reading, and returns the median.
fn page(report: &mut Report, agent: &Agent) -> Duration {
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            sleep(BETWEEN);
            let start = Instant::now();
            agent.connect().get("/metrics");
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times[times.len() / 2];
    row(
        report,
        "/metrics, 1,000 files of 100 counters, median of 21",
        format!("{median:.1?}"),
    );
    let worst = times[times.len() - 1];
    report.bound(
        "≤ 60 ms, the worst of 21".to_owned(),
        format!("{worst:.1?}"),
        worst <= Duration::from_millis(60),
    );
    median
}

/// Scrapes at a fixed rate on one connection.
fn many(report: &mut Report, agent: &Agent, seconds: u32) {
    let mut connection = agent.connect();
    let begin = Instant::now();
    let mut times = Vec::new();
    let mut late = 0;
    for number in 0..SCRAPES_A_SECOND * seconds {
        let due = begin + Duration::from_secs(1) * number / SCRAPES_A_SECOND;
        sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        late += u32::from(start > due + Duration::from_millis(100));
        connection.get("/metrics");
        times.push(start.elapsed());
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    row(
        report,
        "the same, 200 a second: p50",
        format!("{:.1?}", times[times.len() / 2]),
    );
    row(report, "p99", format!("{p99:.1?}"));
    report.bound(
        format!("200 scrapes a second for {seconds} s, without an error"),
        format!(
            "{} scrapes, {late} of them more than 0.1 s late",
            times.len()
        ),
        late == 0,
    );
}

/// Measures an agent without requests: 1,000 series of one file, and their past.
fn idle(report: &mut Report, seconds: u32) {
    let root = directory::Directory::new("serve");
    let write = mmstats::Writer::builder("idle")
        .path(root.path())
        .create()
        .expect("a file");
    let all: Vec<_> = (0..700)
        .map(|n| {
            write
                .counter(&format!("counter_{n}"))
                .add()
                .expect("a counter")
        })
        .collect();
    let timers: Vec<_> = (0..300)
        .map(|n| write.timer(&format!("timer_{n}")).add().expect("a timer"))
        .collect();
    let agent = Agent::start(root.path());
    // By then, the agent has read the file and has begun the past of each series.
    sleep(Duration::from_secs(2));
    let before = agent.processor_time();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds.into()) {
        all.iter().for_each(|counter| counter.inc());
        for (n, timer) in timers.iter().enumerate() {
            (0..50).for_each(|i| timer.record(Duration::from_nanos(1000 + 37 * i * n as u64)));
        }
        sleep(Duration::from_millis(250));
    }
    let share = (agent.processor_time() - before).as_secs_f64() / begin.elapsed().as_secs_f64();
    report.bound(
        "idle, 700 counters and 300 timers that change: ≤ 2 % of a core".to_owned(),
        format!("{:.2} %", 100.0 * share),
        share <= 0.02,
    );
    row(
        report,
        "its memory then",
        format!("{:.1} MB", agent.resident() as f64 / 1e6),
    );
}

#[derive(MmStats)]
struct Written {
    count: Counter,
}

/// Times a writer during a scrape, beside the same writer without one.
fn writer(report: &mut Report, pairs: u32) {
    let root = directory::Directory::new("serve");
    let written = Written::builder()
        .path(root.path())
        .create()
        .expect("a file");
    let agent = Agent::start(root.path());
    let write = || {
        let begin = Instant::now();
        for _ in 0..100_000_000u32 {
            std::hint::black_box(&written.count).inc();
        }
        begin.elapsed().as_secs_f64()
    };
    write();
    let mut ratios: Vec<f64> = (0..pairs)
        .map(|_| {
            let alone = write();
            let address = agent.address;
            let scrape = std::thread::spawn(move || agent::connect(address).get("/metrics"));
            let scraped = write();
            scrape.join().expect("a scrape");
            scraped / alone
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = 100.0 * (ratios[ratios.len() / 2] - 1.0);
    report.bound(
        "10⁸ increments with a scrape meanwhile: ≤ 1 % slower".to_owned(),
        format!("{median:+.2} % (median of {pairs} pairs)"),
        median <= 1.0,
    );
}
