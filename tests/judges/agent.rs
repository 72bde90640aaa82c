//! `mmstats serve` as a process, on a port of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::http::{self, Answer};
use crate::poll;

pub const BIN: &str = env!("CARGO_BIN_EXE_mmstats");

/// A process that is killed by its id when the guard is dropped.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary, in an environment that names no root.
pub fn mmstats() -> Command {
    let mut command = Command::new(BIN);
    for name in [
        "MMSTATS_PATH",
        "MMSTATS_DISABLE",
        "MMSTATS_GLOB",
        "XDG_RUNTIME_DIR",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// A running agent.
pub struct Agent {
    process: Ended,
    pub address: SocketAddr,
}

impl Agent {
    pub fn start(root: &Path) -> Agent {
        let mut command = mmstats();
        command.args(["serve", "--listen", "127.0.0.1:0"]).arg(root);
        let mut process = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        let stdout = process.0.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.trim().strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("its first line: {line}"));
        Agent {
            process,
            address: address.parse().unwrap(),
        }
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::get(self.address, path, headers)
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Returns how many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id()))
            .unwrap()
            .count()
    }

    /// Sends SIGTERM; returns how it ended, and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        // SAFETY: a signal to our child, which has not been waited for yet.
        assert_eq!(unsafe { libc::kill(self.id() as i32, libc::SIGTERM) }, 0);
        let status = poll("the agent's end", Duration::from_secs(20), || {
            self.process.0.try_wait().unwrap()
        });
        (status, start.elapsed())
    }
}
