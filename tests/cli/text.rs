//! The output for people: aligned, escaped, and without an error if its reader stops.

use std::fs;
use std::io::Read;
use std::process::{self, Stdio};

use mmstats::{Counter, MmStats};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{BIN, db, first, mmstats, path_of, text_of, web};

#[test]
fn text_has_a_line_for_each_value_of_each_file() {
    let root = TempDir::new().unwrap();
    let web = first(root.path());
    let output = mmstats()
        .args(["show", "--per-file"])
        .arg(root.path())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let shown = text_of(&output.stdout);
    let mut lines = shown.lines();
    assert_eq!(lines.next().unwrap(), path_of(&web).to_str().unwrap());
    let (values, system): (Vec<_>, Vec<_>) =
        lines.partition(|line| !line.trim_start().starts_with("sys."));
    insta::assert_snapshot!("show", values.join("\n"));
    let labels: Vec<_> = system
        .iter()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "sys.pid",
            "sys.tid",
            "sys.uid",
            "sys.gid",
            "sys.created",
            "sys.exe"
        ]
    );
    assert!(
        system[0].ends_with(&format!(" => {}", process::id())),
        "{system:?}"
    );
}

#[derive(MmStats)]
#[mmstats(name = "windowed")]
struct Windowed {
    #[mmstats(window = "1h")]
    recent: Counter,
}

#[test]
fn a_counter_with_a_window_has_a_line_of_its_own_beside_those_of_its_window() {
    let root = TempDir::new().unwrap();
    let windowed = Windowed::builder().path(root.path()).create().unwrap();
    windowed.recent.add(7);
    let output = mmstats()
        .args(["show", "--per-file"])
        .arg(root.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = text_of(&output.stdout);
    let value = |label: &str| {
        let mut lines = shown.lines().filter_map(|line| line.split_once("=>"));
        let (_, value) = lines.find(|(found, _)| found.trim() == label)?;
        Some(value.trim().to_owned())
    };
    assert_eq!(value("recent").as_deref(), Some("7"), "{shown}");
    assert!(value("recent.WindowCount").is_some(), "{shown}");
    // `poll` accepts the names that `show` prints.
    let output = mmstats()
        .args([
            "poll",
            "recent.WindowCount,recent.Rate",
            "-c",
            "1",
            "-d",
            "0.01",
        ])
        .arg(root.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    let line = shown.lines().last().unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    // The first cell is the time.
    assert!(cells.len() == 3 && !cells.contains(&"-"), "{shown}");
}

#[test]
fn ls_has_a_line_for_each_file() {
    let root = TempDir::new().unwrap();
    let (a, b) = (web(root.path()), db(root.path()));
    let output = mmstats().arg("ls").arg(root.path()).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let shown = text_of(&output.stdout);
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        [
            "MODEL", "PID", "TID", "STATE", "SIZE", "TAKES", "CREATED", "PATH"
        ]
    );
    let pid = process::id().to_string();
    for (line, (model, path)) in lines[1..]
        .iter()
        .zip([("Db", path_of(&b)), ("my-app", path_of(&a))])
    {
        assert_eq!(
            (line[0], line[1], line[3], line[10]),
            (model, &*pid, "live", path.to_str().unwrap())
        );
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn the_environment_names_the_root() {
    let root = TempDir::new().unwrap();
    let stats = db(root.path());
    stats.queries.add(3);
    let output = mmstats()
        .args(["show"])
        .env("MMSTATS_PATH", root.path())
        .output()
        .unwrap();
    assert!(
        text_of(&output.stdout).contains("queries  3\n"),
        "{output:?}"
    );
}

#[test]
fn nothing_acts_on_the_terminal() {
    let temporary = TempDir::new().unwrap();
    let root = temporary.path().join("ro\x1b[31mot\u{9b}\u{202e}");
    let stats = web(&root);
    stats.release.set("\x1b]0;title\x07\r\u{85}");
    // The library makes no such label, but a file may have one.
    let file = path_of(&stats);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(11)
        .position(|window| window == b"temperature")
        .unwrap();
    bytes[at..at + 11].copy_from_slice(b"tem\x1b[2Jture");
    fs::write(file.with_file_name("mmstats-1-\n1"), &bytes).unwrap();
    fs::write(file.with_file_name("fo\x1b[31mreign"), "no stats").unwrap();

    for command in [
        &["ls"][..],
        &["show"],
        &["show", "--per-file"],
        &["show", "--json", "--per-file"],
    ] {
        let output = mmstats().args(command).arg(&root).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        for text in [text_of(&output.stdout), text_of(&output.stderr)] {
            let harmful = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(harmful), "{text:?}");
            assert!(!text.is_empty());
        }
        if command.contains(&"--json") {
            // JSON still has the original path.
            let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(shown["path"], json!(root));
        }
    }
}

#[test]
fn a_closed_pipe_is_a_clean_end() {
    let root = TempDir::new().unwrap();
    let stats = web(root.path());
    // More output than a pipe holds.
    for i in 0..1000 {
        stats.handlers.group(&format!("group{i}")).response_ok.inc();
    }
    for command in [&["show"][..], &["show", "--json"]] {
        let mut child = process::Command::new(BIN)
            .args(command)
            .arg(root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut [0; 10])
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
}
