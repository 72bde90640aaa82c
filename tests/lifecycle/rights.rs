//! Processes that give up their rights, or change their root, after their first file.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mmstats::MmStats;

use super::{All, child, is_root, root, skip, snapshot};

/// A user who has no rights that matter here.
pub const NOBODY: u32 = 65534;

/// Turns this process into one of an ordinary user, who then owns `root`; a process of an ordinary user stays as it
/// is.
pub fn give_up(root: &Path) {
    if !is_root() {
        return;
    }
    std::os::unix::fs::chown(root, Some(NOBODY), Some(NOBODY)).unwrap();
    become_nobody();
}

fn become_nobody() {
    // SAFETY: it affects this process only, the child of a test.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
        assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
    }
}

/// Counts, loses access to the file through `lose`, and counts in many new groups, which need space.
fn count_and_lose(lose: impl FnOnce()) {
    let all = All::builder().keep(true).create().unwrap();
    all.n.inc();
    lose();
    for n in 0..300 {
        all.parts.group(&format!("g{n}")).n.inc();
        all.size.record(1 << (n % 60));
    }
}

fn every_group_is_counted(root: &Path) {
    let snapshot = snapshot(root);
    let other = snapshot.get("All", "_other.n").and_then(|n| n.as_u64());
    assert_eq!(other.unwrap_or(0), 0, "groups that had no space");
    assert_eq!(snapshot.get("All", "g299.n").unwrap().as_u64(), Some(1));
}

#[test]
fn a_file_grows_after_its_process_has_given_up_its_rights() {
    const NAME: &str = "rights::a_file_grows_after_its_process_has_given_up_its_rights";
    if child::is_child(NAME) {
        return count_and_lose(become_nobody);
    }
    if !is_root() {
        return skip("change the user without being root");
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(NAME, root.path()));
    every_group_is_counted(root.path());
}

#[test]
fn a_file_grows_after_its_process_has_changed_its_root() {
    const NAME: &str = "rights::a_file_grows_after_its_process_has_changed_its_root";
    if child::is_child(NAME) {
        return count_and_lose(|| {
            let jail = CString::new(root().join("jail").as_os_str().as_bytes()).unwrap();
            // SAFETY: it affects this process only; a C string that outlives the call.
            unsafe {
                assert_eq!(libc::chroot(jail.as_ptr()), 0);
                assert_eq!(libc::chdir(c"/".as_ptr()), 0);
            }
        });
    }
    if !is_root() {
        return skip("change the root without being root");
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("jail")).unwrap();
    child::run(&mut child::command(NAME, root.path()));
    std::fs::remove_dir_all(root.path().join("jail")).unwrap();
    every_group_is_counted(root.path());
}
