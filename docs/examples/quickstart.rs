//! Does jobs forever, and counts them.

use std::{thread, time::Duration};

use mmstats::{Counter, MmStats, Timer};

#[derive(MmStats)]
#[mmstats(name = "quickstart")]
struct Work {
    /// Jobs that are done.
    jobs: Counter,
    job_time: Timer,
}

fn main() {
    loop {
        Work::local(|work| {
            let _time = work.job_time.start(); // until the end of this block
            thread::sleep(Duration::from_millis(10));
            work.jobs.inc();
        });
    }
}
