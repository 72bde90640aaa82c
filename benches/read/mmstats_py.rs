//! `docs/readers/mmstats.py`, on the same files.

use std::process::Command;
use std::time::Duration;

use super::files::{Content, Files};
use super::process;

/// Returns the time of `python3 mmstats.py <root>`, including its start. It has read nothing before.
pub fn read(files: &Files) -> Option<Duration> {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no python3 to run mmstats.py");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/readers/mmstats.py");
    Some(process::median(3, || {
        let mut command = Command::new("python3");
        command.arg(script).arg(files.root());
        let output = command.output().expect("the python that was found");
        let text = String::from_utf8(output.stdout).expect("JSON");
        if files.content == Content::Counters {
            let sum = files.number * (files.number - 1) / 2;
            let values = text.matches(&format!("\"value\": {sum}\n")).count();
            assert_eq!(values, files.content.values(), "mmstats.py");
        }
    }))
}
