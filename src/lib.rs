//! Metrics for a running program. A write costs about as much as a store to memory, and any other process can read the
//! values at any time.
//!
//! ```
//! use mmstats::{Counter, MmStats, Timer};
//!
//! #[derive(MmStats)]
//! #[mmstats(name = "quickstart")]
//! struct Work {
//!     /// Jobs that are done.
//!     jobs: Counter,
//!     job_time: Timer,
//! }
//!
//! # // A root of its own. Nothing else runs yet.
//! # let root = std::env::temp_dir().join(format!("mmstats-crate-{}", std::process::id()));
//! # unsafe { std::env::set_var("MMSTATS_PATH", &root) };
//! // This thread's file is made at the first call, in a directory below $MMSTATS_PATH.
//! Work::local(|work| {
//!     let _time = work.job_time.start(); // until the end of the block
//!     work.jobs.inc();
//! });
//!
//! // This process reads it here. So can any other, or `mmstats show`.
//! let snapshot = mmstats::reader::Reader::from_env()?.snapshot()?;
//! let jobs = snapshot.get("quickstart", "jobs").and_then(|value| value.as_u64());
//! assert_eq!(jobs, Some(1));
//! # std::fs::remove_dir_all(&root).unwrap();
//! # Ok::<(), mmstats::Error>(())
//! ```
//!
//! # How to use
//!
//! Describe the metrics as a struct, with `#[derive(MmStats)]`. Each field is a metric:
//!
//! | kind | what it is | merged over threads and processes as |
//! |---|---|---|
//! | [`Counter`] | a count that never falls | sum |
//! | [`UpDown`] | a number that goes up in one thread and down in another | sum over live processes |
//! | [`Gauge`] | a level | sum, max, min, mean or latest of the live threads |
//! | [`Flag`] | true or false | true if any live one is |
//! | [`Text`] | a short text | the text in the newest file |
//! | [`Constant`] | a value set once | the value in the newest file |
//! | [`Timer`] | a distribution of durations | sums of buckets and moments |
//! | [`Percentile`] | a distribution of u64 values; `Percentile<f64>` of floats | sums of buckets and moments |
//! | [`Compound`] | a struct of numbers, updated as a whole | each field by its own rule |
//! | [`Summary`] | count, total, mean, deviation, extremes, last of f64 values | as if one thread had recorded everything |
//! | [`Average`] | the mean of all values | the mean over all threads |
//! | [`MovingAverage`] | the mean of the last values | the mean of the last values of all live threads |
//! | [`SamplingCounter`] | a count and its rate per millisecond | sum of the counts, and of the rates of live threads |
//! | [`History`] | the last values, with times and contexts | the last values of all threads |
//! | [`Errors`] | distinct errors, with counts and times | sum for each error |
//! | another model | its fields, with labels such as `db.queries` | |
//! | [`Groups`] | instances of a model, added at run time, each with a name or [labels](MmLabels) | label by label |
//!
//! A Counter, Summary, Timer or Percentile may have a *window*, `#[mmstats(window = "60s")]`: readers then also see
//! what it recorded in the last minute, even in their first snapshot.
//!
//! A thread writes through [`MmStats::local`], which keeps one file per thread, or through [`MmStats::create`], which
//! makes a separate file. A [`SharedCounter`], [`SharedGauge`], [`SharedTimer`] or [`SharedPercentile`] is a static. A
//! [`Writer`] needs no struct, and [`push_stat`] and [`stats`] need only names. Any process reads with
//! [`reader::Reader`] or the binary `mmstats`.
//!
//! `docs/GUIDE.md` goes from the first metric to dashboards. `docs/examples` has programs to start from.
//!
//! Across `.await`, use a [`Stopwatch`], which can be copied and sent: a [`TimerGuard`] borrows its thread's
//! statistics, and a future that holds one is not `Send`. `docs/examples/workers.rs` shows it with tokio.
//!
//! # How it works
//!
//! Each thread that writes has a file per model, mapped into memory. A handle is a pointer into the mapping; an
//! increment is a relaxed load and store. A value wider than a word is published through two or more buffers and a
//! sequence, so a reader gets the whole value or knows that it did not. Neither side waits for the other.
//!
//! # Trade-offs
//!
//! - One writer per file: readers add up what threads count. [`Stats`] can be sent to another thread but not shared;
//!   the compiler enforces this.
//! - Files hold current values only (a [`History`] holds the last ones).
//! - A group stays until it is [removed](Groups::remove), has been idle for its time-out, or its file is removed.
//! - A stats file reserves 16 MiB of addresses (not of memory).
//! - A process that has a counter with a window, or groups with a time-out, runs one more thread, with all signals
//!   blocked.
//! - Signal handlers must not write statistics: they could run in the middle of a publication.
//! - If a file is emptied or truncated under its writer (`truncate`, `cp` over it), the next store to a missing page
//!   ends the program by SIGBUS. No program that writes through a mapping can prevent that; removing a file is
//!   harmless.
//! - Statistics created before a fork count only in the parent, until the child calls [`Stats::reopen`].
//!   [`MmStats::local`] makes a new file in each process.
//! - A process made by raw `clone`, without the C library's fork handlers, must not use what it
//!   inherited.
//!
//! # Platforms
//!
//! Files need a little-endian Unix. Elsewhere the API compiles and records into private memory, and [`status()`] says
//! so. A processor with 64-bit atomics and Rust 1.89 or newer are required everywhere.
//!
//! # Diagnostics
//!
//! If something is not recorded (no file, a refused group, a failed growth, two models of one name), the reason is
//! reported once: through `log`, or as a line on stderr if no logger is installed (`MMSTATS_QUIET=1` turns that off).
//! [`status()`] lists each model with its files or the reason. Problems that occur after a file exists are also noted
//! in it: [`File::notes`](reader::File::notes), `mmstats check`.
//!
//! # Features
//!
//! | feature | what it adds | additional dependencies |
//! |---|---|---|
//! | `derive` (default) | `#[derive(MmStats)]`, `MmValue`, `MmLabels`, `MmLabelValue` | syn, quote |
//! | `metrics` | `recorder`: writes metrics that are recorded through the [`metrics`](https://docs.rs/metrics) facade to stats files | metrics |
//! | `tracing` | `tracing`: a layer that counts events and times spans | tracing, tracing-subscriber |
//! | `hdrhistogram` | [`Distribution`]`::to_hdrhistogram`, for interchange with other tools | hdrhistogram |
//! | `export` | `export`: OpenMetrics, Prometheus' text and protobuf, JSON, CSV | prost, serde |
//! | `serve` | `serve`: the agent's page, `/metrics` and JSON, as a router of axum; with `cli` the command `mmstats serve` | axum, tokio |
//! | `push` | `push`: sends values to an OpenTelemetry collector or to Redis; with `cli` the command `mmstats push` | ureq, rustls, redis |
//! | `push-grpc` | the same over gRPC | tonic, tokio |
//! | `testing` | `testing`: a mock clock, a root and assertions for your unit tests; in `[dev-dependencies]` only | none |
//! | `cli` | the binary `mmstats` | clap, ratatui |
//!
//! Without these features the library depends on no async runtime, serde or clap. `cargo install mmstats --features cli,serve,push`
//! installs the whole tool.

// Not in the manifest, because tests may do several system calls in a block.
#![deny(clippy::multiple_unsafe_ops_per_block)]
// Nor this: a builder in a test is not a public interface.
#![deny(clippy::return_self_not_must_use)]
#![cfg_attr(loom, allow(dead_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(not(unix), any(feature = "cli", feature = "serve", feature = "push")))]
compile_error!(
    "the features `cli`, `serve` and `push` read stats files, which needs a Unix system: leave them out here"
);

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "mmstats needs a processor with 64-bit atomics: its values are written as such words"
);

// Public only for this project's own tests, model checks and benches, which also use items that the library does not.
#[cfg(any(feature = "internals", loom))]
#[doc(hidden)]
pub mod format;
#[cfg(not(any(feature = "internals", loom)))]
#[allow(dead_code)]
mod format;
#[cfg(any(feature = "internals", loom))]
#[doc(hidden)]
pub mod sync;
#[cfg(not(any(feature = "internals", loom)))]
mod sync;

#[cfg(not(loom))]
mod error;
#[cfg(all(not(loom), feature = "export"))]
pub mod export;
#[cfg(not(loom))]
mod metric;
#[cfg(not(loom))]
mod panics;
#[cfg(all(not(loom), feature = "push"))]
pub mod push;
#[cfg(not(loom))]
pub mod reader;
#[cfg(all(not(loom), feature = "metrics"))]
pub mod recorder;
#[cfg(not(loom))]
pub mod retire;
#[cfg(all(not(loom), feature = "serve"))]
pub mod serve;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod status;
#[cfg(not(loom))]
#[cfg_attr(not(unix), allow(dead_code))] // The code for files exists there but is never called.
mod sys;
/// The parts that the model checks cover.
#[cfg(loom)]
pub mod sys {
    /// Locks.
    pub mod process {
        /// Forks: a stub, since there are none here.
        pub mod fork {
            /// The generation of this process.
            pub fn generation() -> u64 {
                0
            }
        }
        pub mod lock;
        pub mod own_lock;
    }
    /// Lists, and the table of views for the SIGBUS handler.
    pub mod memory {
        pub mod append_list;
        /// The guard against SIGBUS: its table.
        pub mod sigbus {
            pub mod table;
        }
    }
    /// Orphans, and the exit of a process.
    pub mod lifecycle {
        pub mod naming;
        pub mod orphans;
    }
}
#[cfg(all(not(loom), feature = "testing"))]
pub mod testing;
#[cfg(all(not(loom), feature = "tracing"))]
pub mod tracing;
#[cfg(not(loom))]
mod writer;

#[cfg(not(loom))]
pub use library::*;

#[cfg(not(loom))]
mod library {
    pub use crate::error::Error;
    pub use crate::format::bytes::Malformed;
    pub use crate::format::scalar::{Number, Scalar};
    pub use crate::format::schema::Merge;
    pub use crate::metric::Value;
    pub use crate::metric::average::{Average, value::AverageValue};
    pub use crate::metric::compound::{Compound, MmValue, value::CompoundValue};
    pub use crate::metric::constant::{Constant, ConstantType};
    pub use crate::metric::context::Context;
    pub use crate::metric::counter::Counter;
    pub use crate::metric::errors::value::{DistinctError, ErrorsValue};
    pub use crate::metric::errors::{Errors, OrRecord};
    pub use crate::metric::flag::Flag;
    pub use crate::metric::gauge::{Gauge, Numeric};
    pub use crate::metric::history::{
        History,
        value::{HistoryEntry, HistoryValue},
    };
    pub use crate::metric::moving_average::MovingAverage;
    pub use crate::metric::percentile::distribution::{Distribution, PERCENTILES};
    pub use crate::metric::percentile::exemplars::Exemplar;
    pub use crate::metric::percentile::float_distribution::FloatDistribution;
    pub use crate::metric::percentile::{Percentile, PercentileNumber};
    pub use crate::metric::sampling_counter::{SamplingCounter, value::SamplingCounterValue};
    pub use crate::metric::summary::Summary;
    pub use crate::metric::summary::value::SummaryValue;
    pub use crate::metric::text::Text;
    pub use crate::metric::timer::{Stopwatch, Timer, TimerGuard};
    pub use crate::metric::updown::UpDown;
    pub use crate::metric::value::WindowValue;
    pub use crate::panics::install_panic_hook;
    pub use crate::shared::{
        SharedCounter, SharedGauge, SharedPercentile, SharedTimer, SharedTimerGuard,
    };
    pub use crate::status::{ModelStatus, Status, status};
    pub use crate::writer::{
        Builder, ByName, Group, Groups, MetricBuilder, MmStats, Stats, Writer,
    };
    pub use crate::writer::{LabelsRef, MmLabelValue, MmLabels};
    pub use crate::writer::{Laps, Measurement, Scope, laps, push_stat, stats, stats_async};
    #[cfg(feature = "derive")]
    pub use mmstats_derive::{MmLabelValue, MmLabels, MmStats, MmValue};

    #[doc(hidden)]
    pub use crate::sys::lifecycle::paths::parse_size;

    /// Items that the derives' generated code names. Not for any other use.
    #[doc(hidden)]
    pub mod __private {
        pub use crate::format::scalar::Scalar;
        pub use crate::format::schema::Merge;
        pub use crate::metric::compound::{AnyValue, ValueElement, ValueField};
        pub use crate::metric::field::{
            Binder, ConstantField, Describe, Field, Options, TakesBuffers, TakesDigits,
            TakesGroupLabel, TakesIdle, TakesMerge, TakesPrefix, TakesUnit, TakesWindow,
        };
        pub use crate::writer::LocalCell;
    }
}

/// The README's code.
#[cfg(all(doctest, feature = "derive"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guide's code.
#[cfg(all(
    doctest,
    feature = "derive",
    feature = "metrics",
    feature = "serve",
    feature = "testing",
    feature = "tracing"
))]
#[doc = include_str!("../docs/GUIDE.md")]
struct Guide;
