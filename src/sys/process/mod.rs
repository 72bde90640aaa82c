//! Processes: who they are, whether they live, their clocks and forks.

pub mod clock;
pub mod fork;
pub mod identity;
pub mod liveness;
pub mod loaded;
pub mod lock;
pub mod own_lock;
pub mod procfs;
