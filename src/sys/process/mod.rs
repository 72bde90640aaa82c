//! Processes: identity, liveness, clocks, forks and locks.

#[cfg_attr(not(unix), path = "../elsewhere/clock.rs")]
pub mod clock;
#[cfg(unix)]
pub mod file_lock;
#[cfg_attr(not(unix), path = "../elsewhere/fork.rs")]
pub mod fork;
#[cfg_attr(not(unix), path = "../elsewhere/identity.rs")]
pub mod identity;
#[cfg_attr(not(unix), path = "../elsewhere/liveness.rs")]
pub mod liveness;
pub mod loaded;
pub mod lock;
#[cfg(feature = "testing")]
pub mod mock_clock;
pub mod own_lock;
#[cfg_attr(not(unix), path = "../elsewhere/procfs.rs")]
pub mod procfs;
#[cfg_attr(not(unix), path = "../elsewhere/signals.rs")]
pub mod signals;
#[cfg_attr(not(unix), path = "../elsewhere/stderr.rs")]
pub mod stderr;
pub mod thread_cells;
