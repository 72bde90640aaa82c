//! To an OpenTelemetry collector, or whatever takes OTLP over HTTP or gRPC: a reading of the stats files, pushed again and
//! again.
//!
//! ```no_run
//! use mmstats::push::otlp::{Options, Pusher, at_base};
//! use std::time::Duration;
//!
//! let mut pusher = Pusher::new(Options {
//!     paths: vec!["/run/app".into()],
//!     endpoint: at_base("http://localhost:4318"),
//!     ..Options::from_env()?
//! })?;
//! loop {
//!     let wait = match pusher.push() {
//!         Ok(_) => Duration::from_secs(10),
//!         Err(error) => {
//!             eprintln!("{error}");
//!             error.retry_after().unwrap_or(Duration::from_secs(10))
//!         }
//!     };
//!     std::thread::sleep(wait);
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), mmstats::push::otlp::Error>(())
//! ```
//!
//! # What is pushed
//! A metric is called `<prefix>.<metric>`: the prefix is the model's name, or what `#[mmstats(export = "…")]` says.
//! Units are written as UCUM has them (`s`, `By`). Groups and labels are attributes.
//!
//! | kind | metric |
//! |---|---|
//! | Counter, SamplingCounter, fields of a Compound that are counters | monotonic sum |
//! | Errors | monotonic sum, with the attribute `error` |
//! | UpDown | sum that is not monotonic |
//! | Gauge, Average, MovingAverage, Constant number, other fields of a Compound | gauge |
//! | Flag | gauge, 0 or 1 |
//! | Text, Constant text | gauge 1, with the text as an attribute of the metric's name |
//! | Timer, Percentile | histogram with explicit bounds, or exponential ([`Options::exponential`]) |
//! | Summary, by name | summary without quantiles; gauges `.min`, `.max`, `.last`, `.stddev` |
//!
//! All sums are cumulative. A distribution with negative values has no sum; a Summary with negative values is the sums
//! `.count` and `.sum`. Histories and windows are not pushed. Values that were recorded with a context are exemplars: a
//! context of 32 hex digits is their `trace_id`, any other one an attribute of that name.
//!
//! Each process is a resource, with `process.pid`, `process.creation.time`, `process.executable.path`, `host.name`,
//! `service.name` and `service.instance.id`. The totals of processes that have ended and were folded are a resource
//! without a process, and with `mmstats.retired` = true. What is folded was pushed before as that of its process. So
//! for rates leave the retired totals out; for totals add them to those of processes that live.
//!
//! # What can be relied on
//! Points are cumulative, with the time from which they count. So a point that is pushed again counts once, and
//! one that was missed is made up for by the next: whatever is restarted, nothing is counted twice or lost. Of a
//! failed push nothing is kept but the last totals of processes that are gone since. A process that has ended and left
//! its files is pushed once more.
//!
//! The totals of a process do not fall when it drops a `Stats` and keeps another: the pusher adds what it read of files
//! that are gone. (If they were folded, it takes that off the retired totals until the process is gone.) A pusher that
//! starts anew, and so each run of `mmstats push otlp --once`, knows only the files that are there. Totals are smaller
//! then. Their start is as late as the creation of the earliest file that is left, so where the oldest file went, the
//! start says that it is a reset; where a younger one went, receivers see that from the value alone. A process that drops
//! all its files and makes new ones counts from zero again, with a new start.

mod client;
mod distribution;
mod message;
mod metrics;
mod options;
mod pusher;
mod request;
mod resource;
mod totals;
mod units;

use std::path::PathBuf;
use std::time::Duration;

pub use self::options::{Options, Protocol, at_base};
pub use self::pusher::{OWN_MODEL, Pushed, Pusher};

/// Why nothing was pushed, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for is wrong, or not there.
    #[error("{0}")]
    Options(String),
    /// Another process pushes a root to this destination.
    #[error(
        "{root}: another process pushes it to {endpoint} already, and the receiver cannot tell two apart: end that \
         one, or push another root (it holds the lock {lock})",
        root = root.display(),
        lock = lock.display()
    )]
    Locked {
        /// The root.
        root: PathBuf,
        /// Where to.
        endpoint: String,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The receiver is away, or did not accept it.
    #[error("cannot push to {endpoint}: {problem}")]
    #[non_exhaustive]
    Failed {
        /// Where to.
        endpoint: String,
        /// What happened.
        problem: String,
        /// The status of the answer, if there was one: HTTP's, or gRPC's code, which is below 100.
        status: Option<u16>,
        /// How long to wait before the next push, if it may succeed then. See [`Error::retry_after`].
        retry_after: Option<Duration>,
        /// How many points are lost: of requests that will not be accepted later either.
        dropped: u64,
    },
}

impl Error {
    /// How long to wait before the next push, where the failure is temporary: what the receiver asked for, else longer
    /// with each failure; a bit at random. `None`: nothing is gained by pushing earlier than planned.
    ///
    /// ```no_run
    /// use std::thread;
    /// use mmstats::push::otlp::{Options, Pusher};
    ///
    /// let mut pusher = Pusher::new(Options::from_env()?)?;
    /// if let Err(error) = pusher.push() {
    ///     if let Some(wait) = error.retry_after() {
    ///         thread::sleep(wait);
    ///         pusher.push()?;
    ///     }
    /// }
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Failed { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
