//! The writing side: files that appear complete, grow while handles point into them, and are removed with their
//! owner.
//!
//! `model` is the trait of a user's struct, `builder` makes its file, `reopen` makes another one for the child of a
//! fork, and `local` keeps one for each thread. `groups` adds instances at run time, by names or by `labels`.
//! `procedural` needs no struct; `by_name` and `scope` need only names. Below them, `file` is the stats file that
//! all of them write, and `directory` is where it appears.

mod builder;
mod by_name;
mod directory;
mod file;
mod groups;
mod labels;
mod local;
mod model;
mod names;
mod procedural;
mod reopen;
mod scope;
mod stats;

pub use builder::Builder;
pub(crate) use builder::{Procedural, WrittenBy};
pub use by_name::push_stat;
pub use groups::{ByName, Groups};
pub use labels::{LabelsRef, MmLabelValue, MmLabels};
pub use local::LocalCell;
pub(crate) use local::{is_torn_down, keep_until_thread_ends};
pub use model::MmStats;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) use names::valid_label;
#[cfg(feature = "metrics")]
pub(crate) use names::{check_model, valid_label_text};
pub use procedural::{Group, MetricBuilder, Writer};
pub(crate) use procedural::{Lifetime, SharedMetric};
pub use scope::{Laps, Measurement, Scope, laps, stats, stats_async};
pub use stats::Stats;
