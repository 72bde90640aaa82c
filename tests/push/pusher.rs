//! The process of a pusher.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::receiver::PATIENCE;

/// A running pusher, which is killed when this is dropped.
pub struct Pusher(Child);

/// Returns a command `mmstats push otlp` without OpenTelemetry variables in its environment, and with its own stats
/// file in a separate root.
pub fn command(root: &Path, base: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command.args(["push", "otlp", "--endpoint", base]);
    command.args(arguments).arg(root);
    clear(&mut command);
    command.env("MMSTATS_PATH", own_root(root));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Removes variables of OpenTelemetry and of proxies from the environment.
pub fn clear(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OTEL_") || text.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
}

/// Returns the root of the pusher's own stats file.
pub fn own_root(root: &Path) -> std::path::PathBuf {
    root.with_extension("own")
}

/// Pushes once; returns whether everything was accepted, and what was printed.
pub fn once(root: &Path, base: &str) -> (bool, String) {
    ended(&mut command(root, base, &["--once"]))
}

/// Waits for a command; returns whether it succeeded, and what it printed.
pub fn ended(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

impl Pusher {
    /// Pushes repeatedly, ten times a second.
    pub fn start(root: &Path, base: &str) -> Pusher {
        Pusher::of(&mut command(root, base, &["--interval", "100ms"]))
    }

    /// Runs a command.
    pub fn of(command: &mut Command) -> Pusher {
        Pusher(command.spawn().unwrap())
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end; returns its status, its output, and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, String, Duration) {
        let begin = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "the pusher does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let time = begin.elapsed();
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (status, said, time)
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        // By its id; it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
