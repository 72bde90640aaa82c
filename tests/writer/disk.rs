//! A small file system that can become full.

use std::path::Path;
use std::process::Command;

/// A separate tmpfs, unmounted when this is dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts the file system. This needs root; without it the test is skipped with a message.
    pub fn mount(size: &str) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(directory));
        }
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
            "cannot mount a tmpfs"
        );
        eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
        None
    }

    /// Returns where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: the lock that this process holds there is a mapping, which stays until the process ends.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
