//! The golden files: read as ever, by the library and by all readers.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::compare::{assert_same, differences, manifest};

/// The golden files of format 3, without their extension.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(manifest("tests/golden")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|of| of == "mmstats"))
        .filter_map(stem)
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    names
}

/// The paths of files as their names: golden files may be anywhere.
fn without_directories(json: &mut Json) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                match value {
                    Json::String(path) if key == "path" => {
                        *path = path.rsplit('/').next().unwrap().to_owned()
                    }
                    // A label may have any key. (There is a model of this name, too.)
                    Json::Object(labels)
                        if key == "labels" && labels.values().all(Json::is_string) => {}
                    value => without_directories(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(without_directories),
        _ => {}
    }
}

/// Each by itself: what all print is what they always printed.
#[test]
fn golden_files_are_read_as_ever() {
    for name in names() {
        let path = manifest(&format!("tests/golden/{name}.mmstats"));
        let mut shown = assert_same(&name, &[&path]);
        let expected = fs::read(path.with_extension("json")).unwrap();
        let expected: Json = serde_json::from_slice(&expected).unwrap();
        without_directories(&mut shown);
        let mut found = Vec::new();
        differences(&name, &expected, &shown, &mut found);
        assert!(found.is_empty(), "{name}: {}", found.join("\n"));
    }
}

/// All in one directory of one root, merged by their models; several paths; and paths that are not there.
#[test]
fn golden_files_are_read_together() {
    let root = tempfile::tempdir().unwrap();
    for name in names() {
        let from = manifest(&format!("tests/golden/{name}.mmstats"));
        let directory = root.path().join(&name);
        fs::create_dir(&directory).unwrap();
        // In a directory a retired file has the one name.
        let to = if name == "retired" {
            "mmstats-retired"
        } else {
            "mmstats-812-815"
        };
        fs::copy(from, directory.join(to)).unwrap();
    }
    assert_same("a root", &[root.path()]);
    assert_same("a model's directory", &[&root.path().join("labels")]);
    let missing = Path::new("/no/such/path");
    let again = root.path().join("minimal/mmstats-812-815");
    assert_same("several paths", &[root.path(), missing, &again]);
    assert_same("a path that is not there", &[missing]);
    let empty = tempfile::tempdir().unwrap();
    assert_same("an empty root", &[empty.path()]);
}
