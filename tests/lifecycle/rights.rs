//! Processes that give up their rights, or their root, after their first file.

use std::path::Path;

use super::is_root;

/// A user who has no rights that matter here.
pub const NOBODY: u32 = 65534;

/// Makes this process one of an ordinary user, to whom `root` belongs then; that of an ordinary user stays
/// as it is.
pub fn give_up(root: &Path) {
    if !is_root() {
        return;
    }
    std::os::unix::fs::chown(root, Some(NOBODY), Some(NOBODY)).unwrap();
    become_nobody();
}

fn become_nobody() {
    // SAFETY: about this process only, a child of its test.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
        assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
    }
}
