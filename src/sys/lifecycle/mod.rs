//! The life of a process's files, from the first one to the exit: directories, files, and reports about them.

#[cfg_attr(not(unix), path = "../no_unix/directory.rs")]
pub mod directory;
#[cfg_attr(not(unix), path = "../no_unix/directory_lock.rs")]
pub mod directory_lock;
pub mod ended_groups;
pub mod ending;
#[cfg(unix)]
pub mod exit;
#[cfg_attr(not(unix), path = "../no_unix/file_region.rs")]
pub mod file_region;
#[cfg_attr(not(unix), path = "../no_unix/files.rs")]
pub mod files;
#[cfg_attr(not(unix), path = "../no_unix/handlers.rs")]
pub mod handlers;
#[cfg_attr(not(unix), path = "../no_unix/held_locks.rs")]
pub mod held_locks;
pub mod idle;
pub mod naming;
pub mod orphans;
pub mod paths;
pub mod report;
#[cfg_attr(not(unix), path = "../no_unix/retained.rs")]
pub mod retained;
pub mod thread_root;
pub mod ticker;
