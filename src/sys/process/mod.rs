//! Processes: identity, liveness, clocks, forks and locks.

#[cfg_attr(not(unix), path = "../no_unix/clock.rs")]
pub mod clock;
#[cfg(unix)]
pub mod file_lock;
#[cfg_attr(not(unix), path = "../no_unix/fork.rs")]
pub mod fork;
#[cfg_attr(not(unix), path = "../no_unix/identity.rs")]
pub mod identity;
#[cfg_attr(not(unix), path = "../no_unix/liveness.rs")]
pub mod liveness;
pub mod loaded;
pub mod lock;
#[cfg(feature = "testing")]
pub mod mock_clock;
pub mod own_lock;
#[cfg_attr(not(unix), path = "../no_unix/procfs.rs")]
pub mod procfs;
#[cfg_attr(not(unix), path = "../no_unix/signals.rs")]
pub mod signals;
#[cfg_attr(not(unix), path = "../no_unix/stderr.rs")]
pub mod stderr;
pub mod thread_cells;
