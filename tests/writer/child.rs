//! Tests that need a process of their own run themselves again in a child.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const ROLE: &str = "MMSTATS_TEST_ROLE";

/// Returns whether this process is the child of the test `name`.
pub fn is_child(name: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == name)
}

/// Returns the command that runs the test `name` (its full path) as a child, with `root` as its MMSTATS_PATH.
pub fn command(name: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, name)
        .env("MMSTATS_PATH", root)
        .env_remove("MMSTATS_KEEP")
        .env_remove("MMSTATS_DISABLE");
    command
}

/// Runs the child and asserts that it succeeds.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{:?}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Starts the child with pipes to it. It is killed when the guard is dropped.
pub fn start(command: &mut Command) -> Running {
    Running(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

/// A running child.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // By its id; it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
