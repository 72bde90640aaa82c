//! `docs/readers/mmstats.py`: how to run it, and what it exports.

use std::fs;
use std::process::Command;

use super::compare::{self, Reader, manifest};
use super::golden;

/// Started through the real path of `python3` (the script of a version manager takes as long as Python itself), and
/// without site packages, which it does not use.
pub fn find() -> Option<Reader> {
    let script = manifest("docs/readers/mmstats.py");
    let mut reader = compare::find("mmstats.py", "python3", &["-S".into(), script])?;
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    reader.command[0] = String::from_utf8(asked.stdout).unwrap().trim().into();
    Some(reader)
}

/// The names, types, labels and values of `mmstats export`, and no others.
#[test]
fn the_collector_exports_what_the_tool_exports() {
    let imports = ["-c", "import prometheus_client"];
    let found = Command::new("python3").args(imports).output();
    if !found.is_ok_and(|output| output.status.success()) {
        let required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some_and(|value| value == "1");
        assert!(!required, "no python3 with prometheus_client");
        eprintln!("SKIPPED: no python3 with prometheus_client, so its collector was not tested");
        return;
    }
    let root = golden::root();
    let exported = Command::new(env!("CARGO_BIN_EXE_mmstats"))
        .args(["export", "--format", "prometheus"])
        .arg(root.path())
        .output()
        .unwrap();
    let text = tempfile::NamedTempFile::new().unwrap();
    fs::write(text.path(), exported.stdout).unwrap();
    let compared = Command::new("python3")
        .arg(manifest("tests/readers/collector.py"))
        .args([manifest("docs/readers").as_path(), root.path(), text.path()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compared.stdout);
    let failed = String::from_utf8_lossy(&compared.stderr);
    assert!(
        compared.status.success() && said.is_empty(),
        "{said}{failed}"
    );
}
