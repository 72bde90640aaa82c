//! Lines on stderr.

use std::io::Write;

/// Writes one line.
pub fn write(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
