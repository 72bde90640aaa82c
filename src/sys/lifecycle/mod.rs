//! The life of a process's files, from the first one to the exit: directories, files, and reports about them.

#[cfg_attr(not(unix), path = "../elsewhere/directory.rs")]
pub mod directory;
#[cfg_attr(not(unix), path = "../elsewhere/directory_lock.rs")]
pub mod directory_lock;
pub mod ended_groups;
pub mod ending;
#[cfg(unix)]
pub mod exit;
#[cfg_attr(not(unix), path = "../elsewhere/file_region.rs")]
pub mod file_region;
#[cfg_attr(not(unix), path = "../elsewhere/files.rs")]
pub mod files;
#[cfg_attr(not(unix), path = "../elsewhere/handlers.rs")]
pub mod handlers;
#[cfg_attr(not(unix), path = "../elsewhere/held_locks.rs")]
pub mod held_locks;
pub mod idle;
pub mod naming;
pub mod orphans;
pub mod paths;
pub mod report;
#[cfg_attr(not(unix), path = "../elsewhere/retained.rs")]
pub mod retained;
pub mod thread_root;
pub mod ticker;
