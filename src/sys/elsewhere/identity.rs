//! Who this process is, as far as std says. No file asks for more.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use crate::format::header::{Header, LockToken};

/// Name of the lock file in a root.
pub const LOCK_FILE: &str = ".lock";

/// What a header says of its process.
#[derive(Clone, Debug, Default)]
pub struct ProcessIdentity {
    exe: String,
}

impl ProcessIdentity {
    /// This process.
    pub fn this() -> &'static ProcessIdentity {
        static THIS: OnceLock<ProcessIdentity> = OnceLock::new();
        THIS.get_or_init(|| {
            let exe = std::env::current_exe().unwrap_or_default();
            ProcessIdentity {
                exe: exe.to_string_lossy().into_owned(),
            }
        })
    }

    /// The header of a file that this process makes now.
    pub fn header(&self, model: &str, lock: LockToken) -> Header {
        Header {
            model: model.to_owned(),
            exe: self.exe.clone(),
            created: super::clock::unix_nanos(),
            pid: process_id(),
            tid: thread_id(),
            lock,
            ..Header::default()
        }
    }

    /// Its user: there are no numbers for them.
    pub fn uid(&self) -> u32 {
        0
    }
}

/// This process; 0 where it has no number, and std panics where it is asked.
pub fn process_id() -> u32 {
    if cfg!(target_family = "wasm") {
        return 0;
    }
    std::process::id()
}

/// The calling thread: nobody asks for it.
pub fn thread_id() -> u32 {
    0
}

/// Whether the calling thread is the first of its process: only what becomes of files depends on it.
pub fn is_main_thread() -> bool {
    false
}

/// Whether the times in a file's windows can be compared with this process's monotonic clock.
pub fn shares_clock(_: &Header) -> bool {
    false
}

/// A random number; not 0.
pub fn random() -> u64 {
    // std has its keys from the system, where that has any.
    RandomState::new().hash_one(super::clock::unix_nanos()) | 1
}

/// What the kernel's table says of a process.
pub(in crate::sys) struct ProcessStat(#[allow(dead_code)] Infallible);
