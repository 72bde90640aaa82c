//! Files of python-mmstats: read together with ours, with each value as it was written there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{db, mmstats, show_json, text_of};

/// Real files, which mmstats 0.8.0 wrote under CPython 2.7.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/v1")
        .join(name)
}

/// Copies a golden file into a directory; returns its new path.
fn place(name: &str, directory: &Path) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, fs::read(golden(name)).unwrap()).unwrap();
    path
}

#[test]
fn a_file_has_every_value_that_its_own_tool_shows() {
    let root = TempDir::new().unwrap();
    place("all-initial.mmstats", root.path());
    let shown = show_json(&[], &[root.path()]);
    assert_eq!(shown["errors"], json!([]));
    let stats = shown["models"]["all-initial"]["stats"].as_object().unwrap();
    // The output of slurpstats: label, spaces, Python's text of the value.
    let expected = fs::read_to_string(golden("all-initial.txt")).unwrap();
    let mut labels = Vec::new();
    for line in expected.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.trim_start();
        let (label, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim();
        let stat = &stats[label];
        let (kind, value) = match value {
            "True" | "False" => ("flag", json!(value == "True")),
            _ => match serde_json::from_str(value) {
                Ok(Value::Number(number)) => ("gauge", Value::Number(number)),
                _ => ("text", json!(value)),
            },
        };
        assert_eq!(stat["kind"], kind, "{label}");
        let mut read = stat["value"].clone();
        if label == "sys.created" {
            // Python 2 prints twelve digits.
            read = json!((read.as_f64().unwrap() * 100.0).round() / 100.0);
        }
        assert_eq!(read, value, "{label}");
        labels.push(label.to_owned());
    }
    labels.sort();
    assert_eq!(labels, stats.keys().cloned().collect::<Vec<_>>());
    assert_eq!(labels.len(), 30);
}

#[test]
fn both_formats_lie_in_one_root() {
    let root = TempDir::new().unwrap();
    let stats = db(root.path());
    stats.queries.add(5);
    let old = place("mk_v1-28049-28049.mmstats", root.path());
    fs::write(root.path().join("notes.txt"), "not ours").unwrap();
    for shown in [
        show_json(&["--per-file"], &[root.path()]),
        // The environment names this directory both to python-mmstats and to us.
        from_environment(root.path()),
    ] {
        assert_eq!(shown["errors"], json!([]));
        assert_eq!(shown["models"]["Db"]["stats"]["queries"]["value"], 5);
        let model = &shown["models"]["mk_v1"];
        assert_eq!(
            model["stats"]["c"],
            json!({"kind": "gauge", "value": 3, "metric": "c"}),
            "{model}"
        );
        let file = &model["files"][0];
        assert_eq!(file["path"], json!(old));
        assert_eq!((&file["pid"], &file["tid"]), (&json!(28049), &json!(28049)));
        assert_eq!(file["format"], 1);
        assert_eq!(file["state"], "unknown");
        assert_eq!(file["created"], 1795214922.739673);
        assert!(shown["models"]["Db"]["files"][0].get("format").is_none());
    }
    let output = mmstats()
        .args(["show", "--per-file"])
        .arg(&old)
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(shown.contains("\n  c                   => 3\n"), "{shown}");
    assert_eq!(shown.matches("sys.pid ").count(), 1, "{shown}");
    let output = mmstats().arg("ls").arg(root.path()).output().unwrap();
    assert_eq!(text_of(&output.stdout).lines().count(), 3, "{output:?}");
}

fn from_environment(root: &Path) -> Value {
    let output = mmstats()
        .args(["show", "--json", "--per-file"])
        .env("MMSTATS_PATH", root)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_glob_names_files_of_other_names() {
    let root = TempDir::new().unwrap();
    let file = place("mk_v1-28049-28049.mmstats", root.path());
    fs::rename(&file, root.path().join("web.stats")).unwrap();
    // With a subdirectory the root is not a directory of files; in one of those, files of any name are read.
    fs::create_dir(root.path().join("directory")).unwrap();
    let models = |glob: &str| {
        let output = mmstats()
            .args(["show", "--json"])
            .arg(root.path())
            .env("MMSTATS_GLOB", glob)
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        shown["models"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(models(""), [""; 0]);
    assert_eq!(models("/anywhere/*.stats"), ["web"]);
}

#[test]
fn without_a_root_the_temporary_directory_is_looked_into() {
    let directory = TempDir::new().unwrap();
    place("mk_v1-28049-28049.mmstats", directory.path());
    fs::write(directory.path().join("other"), "not ours").unwrap();
    let output = mmstats()
        .args(["show", "--json"])
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["models"]["mk_v1"]["stats"]["c"]["value"], 3);
}

#[test]
fn processes_merge_and_their_ids_are_those_of_the_last() {
    let root = TempDir::new().unwrap();
    let file = place("mk_v1-28049-28049.mmstats", root.path());
    fs::copy(&file, root.path().join("mk_v1-28050-28051.mmstats")).unwrap();
    let shown = show_json(&[], &[root.path()]);
    let model = &shown["models"]["mk_v1"];
    assert_eq!(model["stats"]["c"]["value"], 6);
    assert_eq!(model["stats"]["sys.pid"]["value"], 28049);
    assert_eq!(model["processes"], 2);
}

#[test]
fn half_built_files_are_errors() {
    let root = TempDir::new().unwrap();
    place("mk_v1-28049-28049.mmstats", root.path());
    let whole = fs::read(golden("all-initial.mmstats")).unwrap();
    // Abandoned halfway: a label without a type, a list without what every model has, nothing.
    for (name, len) in [("in-field", 9), ("in-list", 0x50), ("nothing", 1)] {
        let mut bytes = whole.clone();
        bytes[len..].fill(0);
        fs::write(root.path().join(name).with_extension("mmstats"), bytes).unwrap();
    }
    fs::write(root.path().join("cut.mmstats"), &whole[..0x123]).unwrap();
    fs::write(root.path().join("empty.mmstats"), "").unwrap();
    let shown = show_json(&[], &[root.path()]);
    assert_eq!(shown["models"]["mk_v1"]["stats"]["c"]["value"], 3);
    let mut errors: Vec<_> = shown["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let path = Path::new(error["path"].as_str().unwrap());
            let name = path.file_stem().unwrap().to_str().unwrap();
            format!("{name}: {}", error["error"].as_str().unwrap())
        })
        .collect();
    errors.sort();
    insta::assert_snapshot!("half_built", errors.join("\n"));
}
