//! Live processes with one file each.

use std::io::{PipeWriter, Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::directory::Directory;
use super::files::Content;

/// Processes that wait until this is dropped, with their files under a root of their own.
pub struct Processes {
    root: Directory,
    pids: Vec<libc::pid_t>,
    /// The processes end when it is closed.
    stay: Option<PipeWriter>,
}

impl Processes {
    /// Forks `number` processes. This process must have no other thread.
    pub fn start(content: Content, number: u64) -> Processes {
        let root = Directory::new("push");
        let (mut stays, stay) = pipe().expect("a pipe");
        let (mut ready, is_ready) = pipe().expect("a pipe");
        let (mut stay, mut is_ready) = (Some(stay), Some(is_ready));
        let mut pids = Vec::new();
        for n in 0..number {
            // SAFETY: there is no other thread, so no lock is held in the child that nobody will release.
            let pid = unsafe { libc::fork() };
            assert!(pid >= 0, "no more processes");
            if pid > 0 {
                pids.push(pid);
                continue;
            }
            let live = || {
                drop(stay.take());
                content.write(root.path(), n);
                let is_ready = is_ready.take();
                is_ready.expect("ours").write_all(&[0]).expect("read");
                let _ = stays.read(&mut [0]);
            };
            // Whatever happens, the child must not drop what the parent has to drop.
            let result = catch_unwind(AssertUnwindSafe(live));
            // SAFETY: it ends the process and runs none of its exit handlers.
            unsafe { libc::_exit(result.is_err().into()) };
        }
        drop(is_ready);
        let mut bytes = Vec::new();
        ready.read_to_end(&mut bytes).expect("all are ready");
        assert_eq!(bytes.len() as u64, number, "each process has its file");
        Processes { root, pids, stay }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.stay.take());
        for &pid in &self.pids {
            // SAFETY: it is a child of ours that nobody else waits for, and a null pointer asks for no status.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        }
    }
}
