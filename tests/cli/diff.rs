//! `mmstats diff`: saved against live, and what is no snapshot.

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
        // How long it took, and the rates that follow from it.
        let lines = shown.lines().filter(|line| !line.starts_with("in "));
        let without_rate = |line: &str| match line.split_once(", ") {
            Some((change, _)) => format!("{change})"),
            None => line.to_owned(),
        };
        lines.map(without_rate).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(diff(&saved, &directory), "no value is different");
    stats.requests.add(5);
    stats.release.set("1.5");
    stats.body_size.record(512);
    insta::assert_snapshot!("diff", diff(&saved, &directory));
    // It can be shown again, too: it is what `show --json` prints.
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
    // A file that is there is not lost when the new one cannot be written, or has nothing in it.
    fs::write(&path, "kept").unwrap();
    let output = mmstats()
        .args(["show", "--save"])
        .args([&path, &directory.path().join("nothing")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}
