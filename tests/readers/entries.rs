//! Entries beside stats files, and files whose state only a lock can tell.

use std::fs;
use std::path::Path;
use std::process::Command;

use mmstats::{Counter, MmStats};

use super::compare::{assert_same, manifest, readers, run_for_code};

/// Entries that are not stats files, and entries that a reader must not wait for.
#[test]
fn what_is_no_stats_file_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("minimal");
    fs::create_dir_all(model.join("mmstats-directory")).unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::copy(
        manifest("tests/golden/minimal.mmstats"),
        model.join("mmstats-812-815"),
    )
    .unwrap();
    fs::copy(model.join("mmstats-812-815"), model.join("mmstats-copy")).unwrap();
    fs::write(model.join("mmstats-empty"), "").unwrap();
    fs::write(model.join(".hidden"), "").unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink(model.join("mmstats-812-815"), model.join("mmstats-link")).unwrap();
    std::os::unix::fs::symlink(&model, root.path().join("link")).unwrap();
    let fifo = model.join("mmstats-fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    // Its length is wrong: nothing is allocated for it.
    let mut bytes = fs::read(model.join("mmstats-812-815")).unwrap();
    bytes[32..40].copy_from_slice(&(1u64 << 40).to_le_bytes());
    bytes[60] = 1;
    let sparse = model.join("mmstats-sparse");
    fs::write(&sparse, bytes).unwrap();
    let file = fs::File::options().write(true).open(sparse).unwrap();
    file.set_len(1 << 40).unwrap();
    // A root without any model yet: only its lock shows that it is not the directory of a model.
    let young = root.path().join(".young");
    fs::create_dir(&young).unwrap();
    fs::write(young.join(".lock"), "").unwrap();
    fs::copy(model.join("mmstats-812-815"), young.join("file")).unwrap();
    let paths = [root.path(), &young, "/no/such/path".as_ref()];
    let tool = assert_same("other entries", &paths);
    assert_eq!(tool["models"].as_object().unwrap().len(), 1);
    assert_eq!(tool["models"]["minimal"]["stats"]["requests"]["value"], 14);
}

#[derive(MmStats)]
#[mmstats(name = "web")]
struct Web {
    requests: Counter,
}

/// Adds files for which only the lock says whether their process lives: one from another pid namespace, and one from
/// another boot. They are made from a file of the process.
fn add_strangers(model: &Path, pid: u32) {
    let prefix = format!("mmstats-{pid}-");
    let entries = fs::read_dir(model).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.starts_with(&prefix)).unwrap();
    let bytes = fs::read(model.join(name)).unwrap();
    for (number, field) in [(1, 96..104), (2, 80..96)] {
        let mut bytes = bytes.clone();
        bytes[field].fill(number);
        bytes[44] = 0; // the state of the owner word: live
        fs::write(model.join(format!("mmstats-{number}")), bytes).unwrap();
    }
}

#[test]
fn a_lock_says_that_a_stranger_lives() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.inc();
    add_strangers(&root.path().join("web"), std::process::id());
    let shown = assert_same("other namespaces", &[root.path()]);
    assert_eq!(shown["models"]["web"]["files"].as_array().unwrap().len(), 3);
}

#[test]
fn exit_codes_are_those_of_the_tool() {
    let empty = tempfile::tempdir().unwrap();
    let golden = manifest("tests/golden/minimal.mmstats");
    let refused = manifest("tests/golden/fault-refuses-file.mmstats");
    for reader in readers() {
        let code = |argument: &Path| run_for_code(&reader.command, argument);
        assert_eq!(code(&golden), Some(0), "{}", reader.name);
        for nothing in [empty.path(), Path::new("/no/such/path"), &refused] {
            assert_eq!(code(nothing), Some(1), "{}: {nothing:?}", reader.name);
        }
        assert_eq!(
            code(Path::new("--no-such-option")),
            Some(2),
            "{}",
            reader.name
        );
    }
}
