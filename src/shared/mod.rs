//! Metrics that all threads of a process use through one handle: statics, and what the facade registers.
//!
//! Nothing that counts is shared for it. A handle has a *number*; each thread has a *table* in which it finds its own
//! cell of that number: a [`Counter`](crate::Counter), a [`Timer`](crate::Timer), … in a file of its own, as
//! [`local`](crate::MmStats::local) has one.
//!
//! `number` gives the numbers, `table` is what a thread has, `home` where its files are, `statics` what a static
//! consists of; then the statics by kind.

mod counter;
mod home;
mod number;
mod percentile;
mod statics;
mod table;
mod timer;

pub use counter::SharedCounter;
pub use percentile::SharedPercentile;
pub use timer::{SharedTimer, SharedTimerGuard};
