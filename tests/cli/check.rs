//! `mmstats check`: what is wrong with files, and with their location.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use mmstats::{Counter, Groups, MmStats};
use tempfile::TempDir;

use super::{db, first, mmstats, path_of, text_of};

fn check(path: &std::path::Path) -> Output {
    mmstats().arg("check").arg(path).output().unwrap()
}

/// Returns a root in memory if there is such a place: elsewhere `check` warns.
fn root() -> TempDir {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() {
        tempfile::tempdir_in(shm).unwrap()
    } else {
        TempDir::new().unwrap()
    }
}

#[test]
fn a_good_root_has_no_errors_and_is_left_as_it_was() {
    let root = root();
    let _stats = (first(root.path()), db(root.path()));
    let before = fs::read_dir(root.path()).unwrap().count();
    let output = check(root.path());
    assert!(output.status.success(), "{output:?}");
    let shown = text_of(&output.stdout);
    assert!(shown.contains("2 files checked: 0 errors"), "{shown}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), before);
}

#[test]
fn damage_is_named_by_byte_record_and_field() {
    let root = root();
    let stats = db(root.path());
    let mut bytes = fs::read(path_of(&stats)).unwrap();
    let header = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    bytes[header - 1] = 1;
    let damaged = path_of(&stats).with_file_name("mmstats-1-1");
    fs::write(&damaged, bytes).unwrap();
    fs::write(path_of(&stats).with_file_name("foreign"), "not ours").unwrap();
    let output = check(root.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text_of(&output.stdout);
    let path = damaged.to_str().unwrap();
    let at = format!(
        "error: {path}: at byte {}: header: padding after the strings",
        header - 1
    );
    assert!(shown.contains(&at), "{shown}");
    assert!(
        shown.contains("foreign: at byte 0: not a stats file"),
        "{shown}"
    );
    assert!(shown.contains("2 errors"), "{shown}");
}

#[derive(MmStats)]
struct Full {
    groups: Groups<One>,
}

#[derive(MmStats)]
struct One {
    n: Counter,
}

#[test]
fn what_will_hurt_is_warned_of() {
    let root = root();
    let stats = Full::builder()
        .path(root.path())
        .max_groups(1)
        .create()
        .unwrap();
    for name in ["a", "b", "c"] {
        stats.groups.group(name).n.inc();
    }
    let path = stats.path().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for i in 0..20 {
        // A process that cannot exist: no lock is held with that token.
        let mut bytes = bytes.clone();
        bytes[104..112].copy_from_slice(&(1u64 << 60 | i).to_le_bytes());
        fs::write(path.with_file_name(format!("mmstats-9-{i}")), bytes).unwrap();
    }
    let gone = Full::builder().path(root.path()).create().unwrap();
    fs::remove_file(gone.path().unwrap()).unwrap();
    let output = mmstats()
        .arg("check")
        .arg(root.path())
        .env("MMSTATS_MAX_SIZE", "4096")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = text_of(&output.stdout);
    for warning in [
        "Full: 20 files of processes that have ended",
        "the maximum of 1 groups is reached",
        "other users may write it",
        "other users may put files there",
        "of the 4 KiB that it may have",
        "1 file removed while process",
    ] {
        assert!(shown.contains(warning), "{warning}: {shown}");
    }
}

#[test]
fn nothing_to_check_is_exit_code_1() {
    let root = TempDir::new().unwrap();
    let output = check(root.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text_of(&output.stderr).contains("no stats files"));
}

#[derive(MmStats)]
#[mmstats(name = "noted")]
struct Noted {
    parts: Groups<NotedPart>,
}

#[derive(MmStats)]
struct NotedPart {
    n: Counter,
}

#[test]
fn refused_groups_are_told_with_their_true_cause() {
    let root = root();
    let stats = Noted::builder().path(root.path());
    let stats = stats.max_groups(2).create().unwrap();
    for name in ["a", "b", "c"] {
        stats.parts.group(name).n.inc();
    }
    let output = check(root.path());
    assert!(output.status.success(), "{output:?}");
    let shown = text_of(&output.stdout);
    let warnings: Vec<_> = shown
        .lines()
        .filter(|line| line.contains("_other"))
        .collect();
    assert!(
        warnings.len() == 1
            && warnings[0].contains(path_of(&stats).to_str().unwrap())
            && warnings[0].contains("the maximum of 2 groups is reached")
            && warnings[0].contains(".max_groups()")
            && !warnings[0].contains("MMSTATS_MAX_SIZE"),
        "{shown}"
    );
}

/// On a tmpfs with huge=always the smallest file occupies 2 MiB.
#[test]
fn files_that_take_whole_huge_pages_are_shown_with_what_they_take() {
    let place = TempDir::new().unwrap();
    let mount = |command: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(command);
        let done = command.args(arguments).arg(place.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount(
        "mount",
        &["-t", "tmpfs", "-o", "huge=always,size=64m", "none"],
    ) {
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
            "a tmpfs with huge=always cannot be mounted"
        );
        eprintln!("SKIPPED: huge pages: a tmpfs with huge=always cannot be mounted");
        return;
    }
    let stats = db(place.path());
    let checked = check(place.path());
    let listed = mmstats().arg("ls").arg(place.path()).output().unwrap();
    drop(stats);
    // A lazy unmount: a child that another test is just starting may hold a copy of an open descriptor.
    assert!(mount("umount", &["-l"]));
    assert!(
        text_of(&checked.stdout).contains("and take 2 MiB"),
        "{checked:?}"
    );
    assert!(text_of(&listed.stdout).contains(" 2 MiB "), "{listed:?}");
}
