//! Directories for the files of tests.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// A temporary directory of this user. It is removed with its contents when this is dropped.
#[derive(Debug)]
pub struct TempDirectory(PathBuf);

impl TempDirectory {
    pub fn new() -> Result<TempDirectory, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            // Relaxed: it only matters that each number is returned once.
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("mmstats-testing-{}-{number}", process::id());
            let path = parent().join(name);
            match create_private(&path) {
                Ok(()) => return Ok(TempDirectory(path)),
                // A process with the same id left it behind.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Returns a directory in memory if there is one, as for the files of a program outside of tests.
fn parent() -> PathBuf {
    let shm = Path::new("/dev/shm");
    match cfg!(target_os = "linux") && shm.is_dir() {
        true => shm.to_owned(),
        false => env::temp_dir(),
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    #[allow(unused_mut)] // Where there are no modes.
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        // What cannot be removed stays there, as after a test that is killed.
        let _ = fs::remove_dir_all(&self.0);
    }
}
