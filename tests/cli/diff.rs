//! `mmstats diff`: saved values against live ones, and files that are not a snapshot.

use std::fs;

use tempfile::TempDir;

use super::{db, first, mmstats, text_of};

#[test]
fn a_saved_snapshot_is_compared_with_a_live_one() {
    let root = TempDir::new().unwrap();
    let saved = root.path().join("saved.json");
    let directory = root.path().join("root");
    let stats = first(&directory);
    let _other = db(&directory);
    let output = mmstats()
        .args(["show", "--save"])
        .arg(&saved)
        .arg(&directory)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let diff = |a, b| {
        let output = mmstats().arg("diff").args([a, b]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let shown = text_of(&output.stdout);
        // Without the time that has passed, and without the rates, which depend on it.
        let lines = shown.lines().filter(|line| !line.starts_with("in "));
        let without_rate = |line: &str| match line.rsplit_once(", ") {
            Some((change, rate)) if rate.ends_with("/s)") => format!("{change})"),
            _ => line.to_owned(),
        };
        lines.map(without_rate).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(diff(&saved, &directory), "no value is different");
    stats.requests.add(5);
    stats.release.set("1.5");
    stats.body_size.record(512);
    insta::assert_snapshot!("diff", diff(&saved, &directory));
    // It can also be shown again: it is the output of `show --json`.
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
    assert_eq!(json["models"]["my-app"]["stats"]["requests"]["value"], 7);
}

#[test]
fn what_is_no_snapshot_says_so() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.json");
    for (text, said) in [
        ("{", "not a saved snapshot"),
        ("{}", "no snapshot"),
        ("", ""),
    ] {
        fs::write(&path, text).unwrap();
        let output = mmstats().arg("diff").args([&path, &path]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text_of(&output.stderr).contains(said), "{output:?}");
    }
    // An existing file is not lost if the new one cannot be written, or would have nothing in it.
    fs::write(&path, "kept").unwrap();
    let output = mmstats()
        .args(["show", "--save"])
        .args([&path, &directory.path().join("nothing")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
fn a_change_above_the_limit_is_exit_code_3() {
    let root = TempDir::new().unwrap();
    let saved = root.path().join("saved.json");
    let directory = root.path().join("root");
    let stats = first(&directory);
    let save = mmstats()
        .args(["show", "--save"])
        .arg(&saved)
        .arg(&directory)
        .output();
    assert!(save.unwrap().status.success());
    stats.requests.add(1);
    for (arguments, code) in [
        (&["--fail-above", "10%"][..], 3),
        (&["--fail-above", "15"], 0),
        (&["--fail-above", "10%", "-l", "body_size*"], 0),
        (&["--fail-above", "10%", "-l", "nothing"], 1),
        (&["--fail-above", "much"], 2),
        (&[], 0),
    ] {
        let output = mmstats()
            .arg("diff")
            .args(arguments)
            .args([&saved, &directory])
            .output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
    }
}

#[test]
fn swapped_arguments_are_noticed() {
    let root = TempDir::new().unwrap();
    let saved = root.path().join("saved.json");
    let directory = root.path().join("root");
    let stats = first(&directory);
    let save = mmstats()
        .args(["show", "--save"])
        .arg(&saved)
        .arg(&directory)
        .output();
    assert!(save.unwrap().status.success());
    stats.requests.add(5);
    let output = mmstats()
        .arg("diff")
        .args([&directory, &saved])
        .output()
        .unwrap();
    assert!(
        text_of(&output.stderr).contains("are they swapped?"),
        "{output:?}"
    );
    assert!(
        text_of(&output.stdout).contains("7 → 12  (+5,"),
        "{output:?}"
    );
}

#[test]
fn no_value_is_raw_json() {
    let (before, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let [before, after] = [before, after].map(|root| root.path().join("x.json"));
    for (path, times) in [(&before, 1), (&after, 2)] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let entries =
            vec![serde_json::json!({"timestamp": times, "value": times, "context_id": ""}); times];
        let snapshot = serde_json::json!({"models": {"m": {"stats": {
            "h": {"kind": "history", "entries": entries},
            "e": {"kind": "errors", "all": times, "overflow": 0, "distinct": [
                {"name": "EXC:A", "count": times, "first": 1.0, "last": times, "message": "x"}]},
            "p": {"kind": "compound", "value": {"by": [times, 7]}},
        }}}});
        fs::write(path, snapshot.to_string()).unwrap();
    }
    let output = mmstats()
        .arg("diff")
        .args([&before, &after])
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(
        shown.contains("e__EXC:A") && shown.contains("h.last"),
        "{shown}"
    );
    assert!(!shown.contains(['{', '[']), "{shown}");
}
