//! The identity of this process, as far as std knows it. No file needs more.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use crate::format::header::{Header, LockToken};

/// The name of the lock file in a root.
pub const LOCK_FILE: &str = ".lock";

/// What a header records about its process.
#[derive(Clone, Debug, Default)]
pub struct ProcessIdentity {
    exe: String,
}

impl ProcessIdentity {
    /// Returns the identity of this process.
    pub fn this() -> &'static ProcessIdentity {
        static THIS: OnceLock<ProcessIdentity> = OnceLock::new();
        THIS.get_or_init(|| {
            let exe = std::env::current_exe().unwrap_or_default();
            ProcessIdentity {
                exe: exe.to_string_lossy().into_owned(),
            }
        })
    }

    /// Returns the header for a file that this process creates now.
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

    /// Returns its user; users have no numbers here.
    pub fn uid(&self) -> u32 {
        0
    }
}

/// Returns the number of this process; 0 on platforms that have none, where std panics when asked for it.
pub fn process_id() -> u32 {
    if cfg!(target_family = "wasm") {
        return 0;
    }
    std::process::id()
}

/// Returns the number of the calling thread, which nothing uses here.
pub fn thread_id() -> u32 {
    0
}

/// Returns whether the calling thread is the first of its process. Only the fate of files depends on it.
pub fn is_main_thread() -> bool {
    false
}

/// Returns whether the times in a file's windows can be compared with this process's monotonic clock.
pub fn shares_clock(_: &Header) -> bool {
    false
}

/// Returns a random number other than 0.
pub fn random() -> u64 {
    // std takes its keys from the system, if that has any.
    RandomState::new().hash_one(super::clock::unix_nanos()) | 1
}

/// What the kernel's process table says about a process.
pub(in crate::sys) struct ProcessStat(#[allow(dead_code)] Infallible);
