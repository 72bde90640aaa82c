//! Paths that cannot be read, and arguments that are wrong.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{db, mmstats, path_of, show_json, text_of};

#[test]
fn nothing_there_is_exit_code_1_and_advice() {
    let root = TempDir::new().unwrap();
    let missing = root.path().join("missing");
    for command in [&["ls"][..], &["show"], &["show", "--json"]] {
        for (path, in_environment) in [
            (root.path(), false),
            (root.path(), true),
            (&missing, false),
            (&missing, true),
        ] {
            let mut mmstats = mmstats();
            mmstats.args(command).env("TMPDIR", root.path());
            if in_environment {
                mmstats.env("MMSTATS_PATH", path)
            } else {
                mmstats.arg(path)
            };
            let output = mmstats.output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = text_of(&output.stderr);
            assert!(
                said.contains(path.to_str().unwrap()) && said.contains("MMSTATS_PATH"),
                "{said}"
            );
            if command.contains(&"--json") {
                let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(shown["models"], json!({}));
            } else {
                assert_eq!(text_of(&output.stdout), "");
            }
        }
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &[][..],
        &["shwo"],
        &["show", "--jsno"],
        &["demo", "--seconds", "0"],
        &["demo", "--threads", "many"],
    ] {
        let output = mmstats().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let output = mmstats().arg("--version").output().unwrap();
    assert_eq!(
        text_of(&output.stdout),
        format!("mmstats {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_cannot_be_read_is_an_error_and_hides_nothing() {
    let root = TempDir::new().unwrap();
    let stats = db(root.path());
    stats.queries.add(5);
    let directory = path_of(&stats).parent().unwrap().to_owned();
    let bad: Vec<_> = ["fifo", "foreign", "link", "short"]
        .map(|name| directory.join(name))
        .into();
    let fifo = CString::new(bad[0].as_os_str().as_bytes()).unwrap();
    // SAFETY: a text that ends with a zero.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    fs::write(&bad[1], [b'x'; 10_000]).unwrap();
    symlink(path_of(&stats), &bad[2]).unwrap();
    fs::write(&bad[3], &fs::read(path_of(&stats)).unwrap()[..100]).unwrap();

    let shown = show_json(&[], &[root.path()]);
    assert_eq!(shown["models"]["Db"]["stats"]["queries"]["value"], 5);
    assert_eq!(shown["models"]["Db"]["files"].as_array().unwrap().len(), 1);
    let mut errors: Vec<_> = shown["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["path"].clone())
        .collect();
    errors.sort_by_key(Value::to_string);
    assert_eq!(json!(errors), json!(bad));

    let output = mmstats().arg("ls").arg(root.path()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(text_of(&output.stdout).lines().count(), 2);
    assert_eq!(text_of(&output.stderr).lines().count(), 4, "{output:?}");
}
