//! Metrics that all threads of a process use through one handle: statics, and the metrics that the facade registers.
//!
//! No count is shared for this. A handle has a *number*, and each thread has a *table* in which it finds its own
//! cell of that number: a [`Counter`](crate::Counter), a [`Timer`](crate::Timer), … in a file of its own, like that
//! of [`local`](crate::MmStats::local). Only a gauge is one word for the whole process, because "the last value that
//! was set" means nothing over several cells.
//!
//! `number` gives out the numbers, `table` is a thread's table, `home` says where its files are, and `statics` is
//! what every static consists of. The statics by kind are `counter`, `gauge`, `percentile` and `timer`. `process`
//! has the files of gauges, `ended` handles metrics that end, and `others` counts what a full file has no space for.

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
