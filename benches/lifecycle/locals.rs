//! The first use of a model in a thread.

use std::process::Command;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use mmstats::MmStats;

use super::rows::Rows;
use super::{Model, timed};

/// The argument that asks this program for [`make`].
pub const RUN: &str = "--locals";

/// The most threads of one process.
const THREADS: u64 = 100;

pub fn measure(rows: &mut Rows) {
    // In processes of their own: in this one, later threads would adopt the files of earlier ones.
    rows.repeated("first `local` of a thread: a new file", |number| {
        let processes = (0..number.div_ceil(THREADS)).map(|n| THREADS.min(number - n * THREADS));
        processes.flat_map(made).collect()
    });
    rows.repeated("first `local` of a thread: one adopted", |number| {
        let run = || thread::spawn(first).join().expect("no panic");
        // The very first thread makes the file.
        run();
        (0..number).map(|_| run()).collect()
    });
}

/// Returns the time that this thread's first use takes.
fn first() -> Duration {
    timed(|| Model::local(|stats| stats.requests.inc())).0
}

/// Returns the times of that many threads of a new process.
fn made(threads: u64) -> Vec<Duration> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([RUN, &threads.to_string()])
        .output()
        .expect("this program again");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).expect("numbers");
    let nanos = lines.lines().map(|line| line.parse().expect("a number"));
    nanos.map(Duration::from_nanos).collect()
}

/// The process that makes files: prints how long the first use of each of its threads took, in nanoseconds.
pub fn make(threads: usize) {
    // Does what a process does only once.
    first();
    let end = Barrier::new(threads + 1);
    let (say, said) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            // No thread ends before the last one has begun, so there is no file to adopt.
            scope.spawn(|| {
                say.send(first()).expect("a listener");
                end.wait();
            });
            // One after the other: how they affect each other is another question.
            println!("{}", said.recv().expect("a thread").as_nanos());
        }
        end.wait();
    });
}
