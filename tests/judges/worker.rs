//! Worker processes that count requests on command.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use mmstats::{Counter, MmStats, Timer};

use crate::{child, wait_for_line};

#[derive(MmStats)]
#[mmstats(name = "load")]
struct Load {
    requests: Counter,
    response_time: Timer,
}

/// Returns how long the request with this number took: from 1 ms to 1 s, spread evenly over the magnitudes in any
/// range of numbers.
pub fn nanoseconds(number: u64) -> u64 {
    let spread = (number as f64 * 0.618_033_988_749_895).fract();
    10f64.powf(6.0 + 3.0 * spread) as u64
}

pub struct Worker(child::Running);

impl Worker {
    pub fn start(root: &Path) -> Worker {
        let mut worker = child::start(&mut child::command("worker::counts_requests", root));
        wait_for_line(&mut worker, "ready");
        Worker(worker)
    }

    /// Lets it count requests, and waits until it has done so.
    pub fn count(&mut self, first: u64, many: u64) {
        let stdin = self.0.0.stdin.as_mut().unwrap();
        writeln!(stdin, "{first} {many}").unwrap();
        wait_for_line(&mut self.0, "ok");
    }

    /// Lets it end by itself.
    pub fn end(mut self) {
        drop(self.0.0.stdin.take());
        assert!(self.0.0.wait().unwrap().success());
    }

    /// Kills it.
    pub fn kill(self) {
        drop(self);
    }
}

#[test]
fn counts_requests() {
    if !child::is_child("worker::counts_requests") {
        return;
    }
    let load = Load::builder().create().unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (first, many) = line.split_once(' ').unwrap();
        let (first, many): (u64, u64) = (first.parse().unwrap(), many.parse().unwrap());
        load.requests.add(many);
        for number in first..first + many {
            load.response_time
                .record(Duration::from_nanos(nanoseconds(number)));
        }
        println!("ok");
    }
}
