//! How much a reader that reads a thousand times a second slows the writer down.

use std::time::{Duration, Instant};

use mmstats::reader::Reader;

use super::report::Report;
use super::writer::{Pace, Writer};
use super::{Case, root};

const ROUNDS: usize = 20;

/// Measures the writer at full speed, with and without a reader in turn.
pub fn measure(report: &mut Report, cases: &[Case], window: Duration) {
    report.say("A reader that takes a snapshot each millisecond, and the writer at full speed:");
    report.table(&["written", "ns alone", "ns with the reader", "slower by %"]);
    for name in ["Counter, mapped", "Compound, mapped", "Timer, mapped"] {
        let case = cases.iter().find(|case| case.name == name).expect("a case");
        let root = root(case.mapped);
        let writer = Writer::start(case.name, Pace::FullSpeed, root.path());
        let mut reader = Reader::open(root.path().join("race")).expect("the writer's file");
        let (mut alone, mut watched, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let one = nanoseconds(&writer, || std::thread::sleep(window));
            let other = nanoseconds(&writer, || {
                let start = Instant::now();
                while start.elapsed() < window {
                    // This is the pace of the reader, not a wait for something.
                    std::thread::sleep(Duration::from_millis(1));
                    drop(reader.snapshot().expect("a snapshot"));
                }
            });
            ratios.push(100.0 * (other / one - 1.0));
            alone.push(one);
            watched.push(other);
        }
        let slower = median(ratios);
        report.row(&[
            name.to_owned(),
            format!("{:.2}", median(alone)),
            format!("{:.2}", median(watched)),
            format!("{slower:.2}"),
        ]);
        report.bound(
            format!("a reader at 1 kHz slows {name} by ≤ 1 %"),
            format!("{slower:.2} %"),
            slower <= 1.0,
        );
    }
}

/// Returns the nanoseconds that a write took while `during` ran.
fn nanoseconds(writer: &Writer, during: impl FnOnce()) -> f64 {
    let (start, from) = (Instant::now(), writer.written());
    during();
    let written = writer.written() - from;
    start.elapsed().as_nanos() as f64 / written.max(1) as f64
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
