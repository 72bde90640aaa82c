//! The process of a pusher, which pushes when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::usage;

/// The pusher's side: pushes once for each line on stdin, and prints how long that took and how much was sent.
pub fn obey(mut push: impl FnMut() -> u64) {
    for _ in std::io::stdin().lines() {
        let begin = Instant::now();
        let sent = push();
        println!("{} {sent}", begin.elapsed().as_nanos());
    }
}

/// A process of this program that [obeys](obey).
pub struct Pusher {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// The result of a push.
pub struct Push {
    /// From the start of the reading to the last answer.
    pub time: Duration,
    /// The number of points or labels.
    pub sent: u64,
}

impl Pusher {
    pub fn start(arguments: &[&str]) -> Pusher {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        Pusher {
            stdin: process.stdin.take(),
            stdout: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
        }
    }

    pub fn push(&mut self) -> Push {
        let stdin = self.stdin.as_mut().expect("a pipe");
        writeln!(stdin).expect("told");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("its figures");
        let words: Vec<u64> = line
            .split(' ')
            .flat_map(|word| word.trim().parse())
            .collect();
        let [time, sent] = words[..] else {
            panic!("unexpected output: {line:?}");
        };
        Push {
            time: Duration::from_nanos(time),
            sent,
        }
    }

    pub fn resident(&self) -> u64 {
        usage::resident(self.process.id())
    }

    pub fn peak(&self) -> u64 {
        usage::peak(self.process.id())
    }

    pub fn processor_time(&self) -> Duration {
        usage::processor_time(self.process.id())
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}
