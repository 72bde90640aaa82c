//! The golden files: read as always, by the library and by all readers.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::compare::{assert_same, differences, manifest, run, tool};

/// Returns the golden files of format 3, without their extension.
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

/// Reduces paths of files to their names, because golden files may be anywhere.
fn without_directories(json: &mut Json) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                match value {
                    Json::String(path) if key == "path" => {
                        *path = path.rsplit('/').next().unwrap().to_owned()
                    }
                    // A label may have any key. (There is also a model with this name.)
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

/// Each file by itself: the output is what it has always been.
#[test]
fn golden_files_are_read_as_ever() {
    let paths: Vec<PathBuf> = (names().iter())
        .map(|name| manifest(&format!("tests/golden/{name}.mmstats")))
        .collect();
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let all = assert_same("golden files", &borrowed);
    let mut models = 0;
    for path in paths {
        let (mut shown, _) = run(&tool(), &["--per-file".as_ref(), path.as_os_str()]);
        let expected = fs::read(path.with_extension("json")).unwrap();
        let expected: Json = serde_json::from_slice(&expected).unwrap();
        without_directories(&mut shown);
        let mut found = Vec::new();
        differences("", &expected, &shown, &mut found);
        assert!(found.is_empty(), "{path:?}: {}", found.join("\n"));
        models += shown["models"].as_object().unwrap().len();
    }
    // The other readers have read all of these paths.
    assert_eq!(all["models"].as_object().unwrap().len(), models);
}

/// Makes a root with all golden files, each as a file in a model's directory.
pub fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names() {
        let from = manifest(&format!("tests/golden/{name}.mmstats"));
        let directory = root.path().join(&name);
        fs::create_dir(&directory).unwrap();
        // In a directory, a retired file has this fixed name.
        let to = match &*name {
            "retired" => "mmstats-retired",
            _ => "mmstats-812-815",
        };
        fs::copy(from, directory.join(to)).unwrap();
    }
    root
}

/// A root, a model's directory, a file, and paths that do not exist.
#[test]
fn golden_files_are_read_together() {
    let root = root();
    let missing = Path::new("/no/such/path");
    let empty = tempfile::tempdir().unwrap();
    let directory = root.path().join("labels");
    let again = root.path().join("minimal/mmstats-812-815");
    assert_same(
        "several paths",
        &[root.path(), &directory, missing, &again, empty.path()],
    );
    assert_same("nothing", &[missing, empty.path()]);
}
