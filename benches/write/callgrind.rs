//! Instructions per operation, counted by valgrind's callgrind in a process of its own.

use std::process::Command;

use super::row::Row;
use super::setup::Setup;

/// The argument that asks this program for [`run`].
pub const RUN: &str = "--run";

/// Returns the instructions per operation; `None` where valgrind is not installed.
pub fn count(row: &Row) -> Option<f64> {
    let steps = (row.operations / row.per_step).min(20_000);
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*callgrind*measured*",
        ])
        .arg(std::env::current_exe().ok()?)
        .args([RUN, row.name, &steps.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected"))?;
    let total: f64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(total / (steps * row.per_step) as f64)
}

/// Runs what is counted: `steps` steps of a row, after those that do what only the first steps do.
pub fn run(row: &Row, setup: &mut Setup, steps: u64) {
    (row.run)(setup, 100);
    measured(row, setup, steps);
}

#[inline(never)]
fn measured(row: &Row, setup: &mut Setup, steps: u64) {
    (row.run)(setup, steps);
}
