//! A simulated process: the side that sends commands to it, and the side that executes them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use mmstats::MmStats;

use super::End;
use super::model::{Sim, count};
use crate::child::{self, Running};
use crate::process::{fork, wait_well};

/// The thread that takes the commands and forks. It counts, too.
const FIRST: u32 = 0;

/// A process, as seen by the side that sends commands.
pub struct Actor {
    running: Running,
    answers: BufReader<ChildStdout>,
    /// What happens to its files at its end.
    pub end: End,
    /// The threads that are alive.
    pub threads: Vec<u32>,
    next: u32,
}

impl Actor {
    pub fn spawn(root: &Path, end: End) -> Actor {
        let mut running = child::start(&mut super::command(root, end));
        let answers = BufReader::new(running.0.stdout.take().unwrap());
        Actor {
            running,
            answers,
            end,
            threads: vec![FIRST],
            next: FIRST + 1,
        }
    }

    pub fn pid(&self) -> u32 {
        self.running.0.id()
    }

    /// Sends a command, and waits for the answer.
    pub fn ask(&mut self, what: &str) -> String {
        let mut commands = self.running.0.stdin.as_ref().unwrap();
        writeln!(commands, "{what}").unwrap();
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).unwrap();
            assert!(read > 0, "{what}: the process has ended");
            // Output of the test harness is not an answer.
            if let Some(answer) = line.strip_prefix('>') {
                return answer.trim().to_owned();
            }
        }
    }

    pub fn start_thread(&mut self) {
        let thread = self.next;
        self.next += 1;
        self.ask(&format!("start {thread}"));
        self.threads.push(thread);
    }

    pub fn kill(mut self) {
        self.running.0.kill().unwrap();
        self.running.0.wait().unwrap();
    }

    pub fn exit(mut self) {
        // The end of its commands. Its answers stay open, because the harness prints more.
        drop(self.running.0.stdin.take());
        assert!(self.running.0.wait().unwrap().success());
    }
}

/// A thread, as seen by its process.
struct Worker {
    numbers: Sender<u64>,
    done: Receiver<()>,
    handle: JoinHandle<()>,
}

impl Worker {
    fn start() -> Worker {
        let (numbers, to_count) = channel();
        let (tell, done) = channel();
        let handle = thread::spawn(move || {
            for n in to_count {
                Sim::local(|s| count(s, n));
                tell.send(()).unwrap();
            }
        });
        Worker {
            numbers,
            done,
            handle,
        }
    }
}

/// Executes commands in the process.
pub fn act() {
    let mut workers: HashMap<u32, Worker> = HashMap::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        let thread = || number(1) as u32;
        let mut answer = String::new();
        match words[0] {
            "start" => _ = workers.insert(thread(), Worker::start()),
            "count" if thread() == FIRST => Sim::local(|s| count(s, number(2))),
            "count" => {
                let worker = &workers[&thread()];
                worker.numbers.send(number(2)).unwrap();
                worker.done.recv().unwrap();
            }
            "end" => {
                let worker = workers.remove(&thread()).unwrap();
                drop(worker.numbers);
                // Joined: its destructors have run.
                worker.handle.join().unwrap();
            }
            "fork" => {
                let exit = words[2] == "true";
                let pid = fork(|| {
                    Sim::local(|s| count(s, number(1)));
                    if exit {
                        // SAFETY: it runs the handlers of this library and of the C library.
                        unsafe { libc::exit(0) }
                    }
                    0
                });
                wait_well(pid);
                answer = pid.to_string();
            }
            "limit" => limit_files(words[1] == "true"),
            other => panic!("{other}?"),
        }
        println!("\n>{answer}");
    }
    // The remaining threads are still running when the process exits.
    std::mem::forget(workers);
}

/// Forbids or allows this process to grow files. (The hard limit stays.)
fn limit_files(full: bool) {
    // SAFETY: the struct is ours.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit), 0);
        limit.rlim_cur = if full { 0 } else { limit.rlim_max };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}
