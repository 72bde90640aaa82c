//! A process that lives is never proved dead, whatever is visible from here; one that is dead is proved dead, whatever
//! others do to its lock.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use mmstats::MmStats;
use mmstats::format::header::Header;
use mmstats::reader::State;
use mmstats::retire::Cleaner;

use super::identity::{live_writer, state, write_and_stay};
use super::process::{fork, wait_well};
use super::{All, child, files, is_root, root, skip, snapshot};

/// Returns `unshare` with these namespaces; `None`, after reporting it, if they cannot be made.
fn unshare(arguments: &[&str]) -> Option<Command> {
    let command = || {
        let mut command = Command::new("unshare");
        command.args(arguments);
        command
    };
    if !is_root() {
        skip("make a namespace without being root");
        return None;
    }
    // In a container root may not be allowed to do this, and the tool or the kernel may not support it.
    let made = command().arg("true").status();
    if !made.is_ok_and(|status| status.success()) {
        skip(&format!("run unshare {arguments:?}"));
        return None;
    }
    Some(command())
}

/// Returns the command that runs the child of a test inside `outer`.
fn inside(mut outer: Command, inner: Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// Removes what can be removed, of any age; returns how many files.
fn removed(path: &Path) -> usize {
    let cleaned = Cleaner::new().clean(path).unwrap();
    assert!(cleaned.problems().is_empty(), "{cleaned:?}");
    cleaned.files().len()
}

fn header(path: &Path) -> Header {
    let bytes = std::fs::read(path).unwrap();
    Header::decode(&bytes[..Header::length(&bytes).unwrap()]).unwrap()
}

/// Returns field 22 of /proc/self/stat.
fn start_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    fields.split(' ').nth(19).unwrap().parse().unwrap()
}

/// Takes an open file description lock of this kind on all bytes of a file.
fn lock_all(file: &File, kind: libc::c_int) {
    // SAFETY: zeros are a valid `flock`; the descriptor is open.
    let result = unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = kind as libc::c_short;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut lock)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_live_process_of_another_time_namespace_is_not_dead() {
    const NAME: &str = "proofs::a_live_process_of_another_time_namespace_is_not_dead";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    let shifted = [
        "--time",
        "--boottime",
        "100000",
        "--monotonic",
        "100000",
        "--fork",
        "--kill-child",
    ];
    let Some(outer) = unshare(&shifted) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut command = inside(outer, child::command(NAME, root.path()));
    let (mut writer, _output) = live_writer(&mut command);
    let window = || {
        let snapshot = snapshot(root.path());
        let stat = snapshot.models()[0]
            .series()
            .iter()
            .find(|stat| stat.label() == "n");
        assert_eq!(stat.unwrap().value().as_u64(), Some(1));
        stat.unwrap().window().map(|window| window.value().as_u64())
    };
    assert_eq!(state(root.path()), State::Live, "by its lock");
    assert_eq!(window(), None, "nothing is known of it, which is not 0");
    std::fs::remove_file(root.path().join(".lock")).unwrap();
    assert_eq!(state(root.path()), State::Live, "by its pid alone");
    assert_eq!(removed(root.path()), 0);
    drop(writer.0.stdin.take());
    assert!(writer.0.wait().unwrap().success());
    // A window on our own clock is available.
    All::builder().path(root.path()).create().unwrap().n.inc();
    let ours = All::builder().path(root.path()).create().unwrap();
    ours.n.inc();
    assert_eq!(window(), Some(Some(1)));
}

#[test]
fn a_process_without_a_proc_of_its_own_pid_namespace_is_not_dead() {
    const NAME: &str = "proofs::a_process_without_a_proc_of_its_own_pid_namespace_is_not_dead";
    if child::is_child(NAME) {
        let stats = All::builder().path(root()).create().unwrap();
        let path = stats.path().unwrap();
        assert_eq!(
            header(&path).start_time,
            start_time(),
            "not that of our number's"
        );
        std::fs::remove_file(root().join(".lock")).unwrap();
        assert_eq!(state(&path), State::Live);
        assert_eq!(removed(&path), 0);
        return;
    }
    if let Some(outer) = unshare(&["--pid", "--fork", "--kill-child"]) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut inside(outer, child::command(NAME, root.path())));
    }
}

#[test]
fn a_service_on_overlayfs_that_closes_all_descriptors_is_not_dead() {
    const NAME: &str = "proofs::a_service_on_overlayfs_that_closes_all_descriptors_is_not_dead";
    const ROLE: &str = "MMSTATS_TEST_LOOKS";
    if let Some(expected) = std::env::var_os(ROLE) {
        assert_eq!(state(root()).name(), expected.to_str().unwrap());
        assert_eq!(removed(&root()), 0);
        return;
    }
    if child::is_child(NAME) {
        let stats = All::create().unwrap();
        stats.n.add(1);
        assert!(!header(&stats.path().unwrap()).lock.pinned);
        // In another pid namespace, so that only the lock can tell.
        let look = |expected: &str| {
            let outer = unshare(&["--pid", "--fork", "--kill-child", "--mount-proc"]).unwrap();
            let mut inner = child::command(NAME, &root());
            inner.env(ROLE, expected);
            child::run(&mut inside(outer, inner));
        };
        look("live");
        // SAFETY: descriptors beyond the standard three are not used any more.
        unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
        look("unknown");
        assert_eq!(state(root()), State::Live, "by its pid");
        stats.n.add(1);
        // The descriptors' numbers are used again, and the child of a fork keeps its copies.
        let others = [(); 16].map(|()| File::open("/dev/null").unwrap());
        let kept = fork(|| {
            // SAFETY: it only asks.
            let is_open =
                |file: &File| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) } >= 0;
            others.iter().all(is_open) as i32 - 1
        });
        wait_well(kept);
        return;
    }
    let Some(mut outer) = unshare(&["--mount"]) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let merged = place.path().join("merged");
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(place.path().join(name)).unwrap();
    }
    let mount =
        "mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 77";
    outer.args([
        "sh",
        "-c",
        &format!("cd \"$0\" && {{ {mount}; }} && exec \"$@\""),
    ]);
    outer.arg(place.path());
    let mut command = inside(outer, child::command(NAME, &merged));
    let output = command.output().unwrap();
    if output.status.code() == Some(77) {
        return skip("mount an overlayfs");
    }
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_lock_that_is_not_pinned_proves_nothing_by_being_free() {
    const NAME: &str = "proofs::a_lock_that_is_not_pinned_proves_nothing_by_being_free";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    let root = tempfile::tempdir().unwrap();
    let (mut writer, _output) = live_writer(&mut child::command(NAME, root.path()));
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    let path = files(root.path(), "All").remove(0);
    let edit = |pinned: bool, pid_namespace: u64| {
        let mut header = header(&path);
        header.lock.pinned = pinned;
        header.pid_namespace = pid_namespace;
        let mut bytes = std::fs::read(&path).unwrap();
        let encoded = header.encode();
        // The parts that change with the file stay: the committed length and the owner word.
        bytes[..32].copy_from_slice(&encoded[..32]);
        bytes[48..header.len].copy_from_slice(&encoded[48..]);
        std::fs::write(&path, bytes).unwrap();
    };
    // From another pid namespace, only the lock can tell.
    edit(false, 1);
    assert_eq!(state(root.path()), State::Unknown);
    assert_eq!(removed(root.path()), 0);
    edit(true, 1);
    assert_eq!(state(root.path()), State::Dead);
    assert_eq!(removed(root.path()), 1);
}

#[test]
fn a_dead_process_is_dead_whatever_locks_others_hold() {
    const NAME: &str = "proofs::a_dead_process_is_dead_whatever_locks_others_hold";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    for kind in [libc::F_RDLCK, libc::F_WRLCK] {
        let root = tempfile::tempdir().unwrap();
        let (mut writer, _output) = live_writer(&mut child::command(NAME, root.path()));
        writer.0.kill().unwrap();
        writer.0.wait().unwrap();
        let lock = File::options()
            .read(true)
            .write(kind == libc::F_WRLCK)
            .open(root.path().join(".lock"))
            .unwrap();
        lock_all(&lock, kind);
        assert_eq!(state(root.path()), State::Dead, "lock {kind}");
        assert_eq!(removed(root.path()), 1, "lock {kind}");
    }
}

#[test]
fn a_lock_for_reading_is_no_sign_of_life_in_another_pid_namespace() {
    const NAME: &str = "proofs::a_lock_for_reading_is_no_sign_of_life_in_another_pid_namespace";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    let Some(outer) = unshare(&["--pid", "--fork", "--kill-child", "--mount-proc"]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut command = inside(outer, child::command(NAME, root.path()));
    let (mut writer, _output) = live_writer(&mut command);
    let lock = File::open(root.path().join(".lock")).unwrap();
    assert_eq!(state(root.path()), State::Live);
    // Its input stays open until then (`wait` closes it), or it might exit cleanly.
    let input = writer.0.stdin.take();
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    // unshare is gone; that kills its child a moment later.
    while state(root.path()) == State::Live {
        std::thread::yield_now();
    }
    lock_all(&lock, libc::F_RDLCK);
    assert_eq!(state(root.path()), State::Dead);
    drop(input);
}

#[test]
fn what_can_never_be_proved_goes_by_age_unless_it_is_mapped() {
    let root = tempfile::tempdir().unwrap();
    let live = All::builder().path(root.path()).create().unwrap();
    live.n.add(1);
    let path = live.path().unwrap();
    // As if from another machine. No process maps the copy.
    let mut bytes = std::fs::read(&path).unwrap();
    let foreign = |bytes: &mut [u8]| bytes[80..104].fill(0);
    foreign(&mut bytes);
    let hour = Duration::from_secs(3600);
    let old = (SystemTime::now() - 2 * hour).duration_since(SystemTime::UNIX_EPOCH);
    let old = (old.unwrap().as_nanos() as u64).to_le_bytes();
    bytes[48..56].copy_from_slice(&old);
    bytes[104..112].fill(0);
    let copy = path.with_file_name("mmstats-1-1");
    std::fs::write(&copy, &bytes).unwrap();
    // The same for the file itself, which is mapped.
    let mut file = File::options().write(true).open(&path).unwrap();
    file.write_all(&bytes[..256.min(bytes.len())]).unwrap();
    drop(file);
    let age = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - 2 * hour).unwrap();
    };
    age(&path);
    assert_eq!(state(&copy), State::Unknown);
    assert_eq!(state(&path), State::Unknown);
    let unknown = Cleaner::new().unknown(true);
    let error = unknown.clean(root.path()).unwrap_err().to_string();
    assert!(error.contains("--older-than"), "{error}");
    let young = unknown.clone().older_than(hour).clean(root.path()).unwrap();
    assert!(young.files().is_empty(), "just written: {young:?}");
    age(&copy);
    let known = Cleaner::new().older_than(hour).clean(root.path()).unwrap();
    assert!(known.files().is_empty(), "{known:?}");
    let cleaned = unknown.older_than(hour).clean(root.path()).unwrap();
    let gone: Vec<_> = cleaned
        .files()
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(gone, [copy]);
    assert!(path.exists(), "it is mapped");
}
