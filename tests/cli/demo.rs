//! `mmstats demo`: what it counts, and how it ends.

use std::fs;
use std::io::Read;
use std::process::{self, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{BIN, mmstats, show_json, text_of};

#[test]
fn the_demo_agrees_with_its_clients_and_leaves_nothing_behind() {
    let temporary = TempDir::new().unwrap();
    let output = mmstats()
        .args(["demo", "--seconds", "1", "--threads", "2"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert!(
        shown.contains(&format!(
            "mmstats show {}/mmstats-demo-",
            temporary.path().display()
        )),
        "{shown}"
    );
    assert!(shown.contains("over 2 files:\n"), "{shown}");
    assert!(shown.ends_with(" requests: they agree.\n"), "{shown}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_can_be_read_beside_and_ends_when_asked() {
    let root = TempDir::new().unwrap();
    let start = || {
        process::Command::new(BIN)
            .args(["demo", "--seconds", "60", "--path"])
            .arg(root.path())
            .env_remove("MMSTATS_KEEP")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut demo = start();
    let mut stdout = demo.stdout.take().unwrap();
    let mut shown = Vec::new();
    // Its first text appears when the service runs and has its files.
    while !text_of(&shown).contains("\n\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    let beside = show_json(&[], &[root.path()]);
    let model = &beside["models"]["demo"];
    assert_eq!(model["files"].as_array().unwrap().len(), 4);
    assert_ne!(
        model["files"][0]["pid"],
        demo.id(),
        "the service is a process of its own"
    );
    assert_eq!(
        model["stats"]["ready"],
        json!({"kind": "flag", "value": true, "metric": "ready"})
    );

    // Another demo there would be added to its values.
    let refused = start().wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text_of(&refused.stderr).contains("another demo"),
        "{refused:?}"
    );

    // SAFETY: our child, which has not been waited for yet.
    assert_eq!(unsafe { libc::kill(demo.id() as i32, libc::SIGINT) }, 0);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(demo.wait().unwrap().success(), "{rest}");
    assert!(rest.ends_with(" requests: they agree.\n"), "{rest}");
    assert_eq!(
        mmstats()
            .arg("ls")
            .arg(root.path())
            .output()
            .unwrap()
            .status
            .code(),
        Some(1)
    );
}
