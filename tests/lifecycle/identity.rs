//! Who is alive: after an exec, with a reused pid, in another pid namespace, without locks.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};

use mmstats::MmStats;
use mmstats::format::header::Header;
use mmstats::reader::State;

use super::process::{fork, wait_well};
use super::{All, child, is_root, skip, snapshot};

// Offsets in the header: see docs/FORMAT.md.
const PID: usize = 56;
const START_TIME: usize = 72;
const BOOT_ID: usize = 80;
const PID_NAMESPACE: usize = 96;
const TOKEN: usize = 104;
const LOCK_INODE: usize = 120;

pub fn state(path: impl AsRef<Path>) -> State {
    let snapshot = snapshot(path);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    assert_eq!(snapshot.files().len(), 1);
    snapshot.files()[0].state()
}

/// Writes a copy of a file beside it, with other bytes in its header.
fn edited(path: &Path, edit: impl FnOnce(&mut [u8])) -> PathBuf {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    let copy = path.with_file_name("mmstats-1-1");
    std::fs::write(&copy, bytes).unwrap();
    copy
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Starts a child that writes a file and stays. Its output is kept open, because it prints more at its end.
pub fn live_writer(command: &mut Command) -> (child::Running, BufReader<ChildStdout>) {
    let mut writer = child::start(command);
    let mut output = BufReader::new(writer.0.stdout.take().unwrap());
    let found = output.by_ref().lines().any(|line| line.unwrap() == "ready");
    assert!(found, "the writer did not start");
    (writer, output)
}

/// The child: writes a file and stays.
pub fn write_and_stay() {
    All::local(|s| s.n.add(1));
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_program_that_was_replaced_is_dead() {
    const NAME: &str = "identity::a_program_that_was_replaced_is_dead";
    if child::is_child(NAME) {
        if std::env::var_os("MMSTATS_TEST_AGAIN").is_none() {
            All::local(|s| s.n.add(10));
            let again = Command::new(std::env::current_exe().unwrap())
                .args(std::env::args_os().skip(1))
                .env("MMSTATS_TEST_AGAIN", "1")
                .exec();
            panic!("{again}");
        }
        return write_and_stay();
    }
    let root = tempfile::tempdir().unwrap();
    let (writer, _output) = live_writer(&mut child::command(NAME, root.path()));
    let snapshot = snapshot(root.path());
    let found: Vec<_> = (snapshot.files().iter())
        .map(|file| (file.pid(), file.state()))
        .collect();
    let pid = writer.0.id();
    assert_eq!(found, [(pid, State::Dead), (pid, State::Live)]);
    assert_eq!(snapshot.get("All", "n").unwrap().as_u64(), Some(11));
}

#[test]
fn a_pid_that_is_used_again_is_somebody_else() {
    let root = tempfile::tempdir().unwrap();
    let live = All::builder().path(root.path()).create().unwrap();
    let path = live.path().unwrap();
    assert_eq!(state(&path), State::Live);
    // Our pid, but a lock that nobody holds: it was another process.
    let other = edited(&path, |bytes| bytes[TOKEN + 2] ^= 1);
    assert_eq!(state(other), State::Dead);
    // Without a lock: by the start time, and by the boot.
    let without = |at: usize| {
        edited(&path, |bytes| {
            put(bytes, TOKEN, 0);
            bytes[at] ^= 1;
        })
    };
    assert_eq!(state(without(START_TIME)), State::Dead);
    assert_eq!(state(without(BOOT_ID)), State::Dead);
    assert_eq!(state(without(PID_NAMESPACE)), State::Unknown);
    // The start time is not known.
    let unknown = edited(&path, |bytes| {
        put(bytes, TOKEN, 0);
        put(bytes, START_TIME, 0);
    });
    assert_eq!(state(unknown), State::Live);
}

#[test]
fn a_file_system_without_locks_is_judged_by_pid() {
    let root = tempfile::tempdir().unwrap();
    let live = All::builder().path(root.path()).create().unwrap();
    let path = live.path().unwrap();
    let by_pid = |pid: libc::pid_t| {
        edited(&path, |bytes| {
            put(bytes, TOKEN, 0);
            put(bytes, START_TIME, 0);
            bytes[PID..PID + 4].copy_from_slice(&pid.to_le_bytes());
        })
    };
    let own = edited(&path, |bytes| put(bytes, TOKEN, 0));
    assert_eq!(state(own), State::Live);
    let mut ends = [0; 2];
    // SAFETY: the array is ours.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    let pid = fork(|| {
        // SAFETY: it waits until the pipe ends.
        unsafe {
            libc::close(ends[1]);
            libc::read(ends[0], [0u8].as_mut_ptr().cast(), 1) as i32
        }
    });
    assert_eq!(state(by_pid(pid)), State::Live);
    // SAFETY: the descriptor is ours. Closing it ends the child.
    unsafe { libc::close(ends[1]) };
    // The child has ended and has not been waited for: a zombie keeps its pid and its start time.
    // SAFETY: zeros are a valid siginfo; it is our child.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let waited = libc::waitid(
            libc::P_PID,
            pid as libc::id_t,
            &mut info,
            libc::WEXITED | libc::WNOWAIT,
        );
        assert_eq!(waited, 0);
        libc::close(ends[0]);
    }
    assert_eq!(state(by_pid(pid)), State::Dead);
    wait_well(pid);
    assert_eq!(state(by_pid(pid)), State::Dead);
}

#[test]
fn a_lock_file_that_was_deleted_or_made_again_is_not_asked() {
    const NAME: &str = "identity::a_lock_file_that_was_deleted_or_made_again_is_not_asked";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    let root = tempfile::tempdir().unwrap();
    let lock = root.path().join(".lock");
    let (mut writer, _output) = live_writer(&mut child::command(NAME, root.path()));
    assert_eq!(state(root.path()), State::Live);
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(state(root.path()), State::Live, "by pid");
    // Another writer creates the lock file again: the lock of the old file is not in it.
    let second = All::builder().path(root.path()).create().unwrap();
    second.n.add(5);
    let states = || -> Vec<_> {
        let snapshot = snapshot(root.path());
        (snapshot
            .files()
            .iter()
            .map(|file| (file.pid(), file.state())))
        .collect()
    };
    let (theirs, ours) = (writer.0.id(), std::process::id());
    assert_eq!(states(), [(theirs, State::Live), (ours, State::Live)]);
    let bytes = std::fs::read(second.path().unwrap()).unwrap();
    let inode = u64::from_le_bytes(bytes[LOCK_INODE..LOCK_INODE + 8].try_into().unwrap());
    let found = std::os::unix::fs::MetadataExt::ino(&lock.metadata().unwrap());
    assert_eq!(inode, found, "the new one is held");
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    assert_eq!(states(), [(theirs, State::Dead), (ours, State::Live)]);
}

#[test]
fn a_writer_in_another_pid_namespace_is_seen_alive() {
    const NAME: &str = "identity::a_writer_in_another_pid_namespace_is_seen_alive";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    if !is_root() {
        return skip("make a pid namespace without being root");
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        command
    };
    // In a container root may not be allowed to do this, and the tool may be missing.
    if !unshare()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip("make a pid namespace with unshare");
    }
    let root = tempfile::tempdir().unwrap();
    let inner = child::command(NAME, root.path());
    let mut command = unshare();
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // Two containers on one volume: both have pid 1, or nearly so.
    let mut writers = [(); 2].map(|()| live_writer(&mut command));
    let look = || {
        let snapshot = snapshot(root.path());
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert!(snapshot.files().iter().all(|file| file.pid() < 100));
        let states: Vec<_> = snapshot.files().iter().map(|file| file.state()).collect();
        (states, snapshot.get("All", "n").unwrap().as_u64())
    };
    assert_eq!(look(), (vec![State::Live; 2], Some(2)));
    // Without the lock, nothing is known about them here.
    let lock = root.path().join(".lock");
    let aside = root.path().join(".aside");
    std::fs::rename(&lock, &aside).unwrap();
    assert_eq!(look().0, [State::Unknown; 2]);
    std::fs::rename(&aside, &lock).unwrap();
    // The first exits cleanly and removes its file; the second is killed.
    drop(writers[0].0.0.stdin.take());
    assert!(writers[0].0.0.wait().unwrap().success());
    assert_eq!(look(), (vec![State::Live], Some(1)));
    // Its input stays open until then (`wait` closes it), or it might exit cleanly after all.
    let input = writers[1].0.0.stdin.take();
    writers[1].0.0.kill().unwrap();
    writers[1].0.0.wait().unwrap();
    // unshare is gone; that kills its child a moment later.
    while look().0 == [State::Live] {
        std::thread::yield_now();
    }
    assert_eq!(look(), (vec![State::Dead], Some(1)));
    drop(input);
}

#[test]
fn a_process_that_may_not_be_signalled_is_alive() {
    if !is_root() {
        return skip("change the user without being root");
    }
    const NAME: &str = "identity::a_process_that_may_not_be_signalled_is_alive";
    let nobody = 65534;
    if child::is_child(NAME) {
        // SAFETY: it affects this process only.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(nobody), 0);
            assert_eq!(libc::setuid(nobody), 0);
            // SAFETY: it only asks.
            assert_eq!(libc::kill(libc::getppid(), 0), -1, "root's");
        }
        let states: Vec<_> = (snapshot(super::root()).files().iter())
            .map(|file| file.state())
            .collect();
        assert_eq!(states, [State::Live]);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let live = All::builder()
        .path(root.path())
        .mode(0o644)
        .create()
        .unwrap();
    live.n.inc();
    for directory in [root.path(), &root.path().join("All")] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory, open).unwrap();
    }
    // With a lock that it may query, and without.
    child::run(&mut child::command(NAME, root.path()));
    std::fs::remove_file(root.path().join(".lock")).unwrap();
    child::run(&mut child::command(NAME, root.path()));
}

#[test]
fn whoever_gives_up_rights_is_named_as_it_is_now() {
    if !is_root() {
        return skip("change the user without being root");
    }
    const NAME: &str = "identity::whoever_gives_up_rights_is_named_as_it_is_now";
    if child::is_child(NAME) {
        let first = All::create().unwrap();
        // SAFETY: it affects this process only.
        unsafe {
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        let directory = super::root().join("of-nobody");
        let second = All::builder().path(directory).create().unwrap();
        let of = |path: PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            let len = Header::length(&bytes).unwrap();
            let header = Header::decode(&bytes[..len]).unwrap();
            (header.uid, header.gid)
        };
        assert_eq!(of(second.path().unwrap()), (65534, 65534));
        drop(first);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(root.path(), open).unwrap();
    child::run(&mut child::command(NAME, root.path()));
}
