//! Metrics that all threads of a process use through one handle: statics, and what the facade registers.
//!
//! Nothing that counts is shared for it. A handle has a *number*; each thread has a *table* in which it finds its own
//! cell of that number: a [`Counter`](crate::Counter), a [`Timer`](crate::Timer), … in a file of its own, as
//! [`local`](crate::MmStats::local) has one. Only a gauge is one word for the whole process, since "the last value that
//! was set" means nothing over several cells.
//!
//! `number` gives the numbers, `table` is what a thread has, `home` where its files are, `statics` what a static
//! consists of; then the statics by kind. `process` has the files of gauges; `ended` what becomes of metrics that end,
//! `others` what counts where a file is full.

mod counter;
mod ended;
mod gauge;
mod home;
mod number;
mod others;
mod percentile;
mod process;
mod statics;
mod table;
mod timer;

#[cfg(feature = "metrics")]
pub(crate) use self::{
    counter::raise, home::all_other, process::Level, process::describe, table::end_cells,
};
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) use self::{
    home::{Home, OTHER, Spec},
    number::Number,
    table::{Shared, alone, with},
};
pub use counter::SharedCounter;
pub use gauge::SharedGauge;
pub use percentile::SharedPercentile;
pub use timer::{SharedTimer, SharedTimerGuard};
