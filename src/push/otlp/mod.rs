//! Pushes readings of the stats files to an OpenTelemetry collector, or to any other receiver of OTLP over HTTP or
//! gRPC.
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
//! A metric is called `<prefix>.<metric>`. The prefix is the model's name, unless `#[mmstats(export = "…")]` sets
//! another. Units are UCUM codes (`s`, `By`). Groups and labels are attributes.
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
//! All sums are cumulative. A distribution with negative values has no sum; a Summary with negative values becomes
//! the sums `.count` and `.sum`. Histories and windows are not pushed. Values that were recorded with a context are
//! exemplars: a context of 32 hex digits is their `trace_id`, any other context is an attribute of that name.
//!
//! Each process is a resource, with `process.pid`, `process.creation.time`, `process.executable.path`, `host.name`,
//! `service.name` and `service.instance.id`. The totals of processes that have ended and were folded are a resource
//! without a process, and with `mmstats.retired` = true. Folded values were pushed before as values of their process.
//! So leave the retired totals out of rates; for totals, add them to those of living processes.
//!
//! # What can be relied on
//! Points are cumulative, with the time from which they count. So a point that is pushed again counts once, and the
//! next point makes up for a missed one: whatever is restarted, nothing is counted twice or lost. After a failed
//! push, only the last totals of processes that have gone since are kept. A process that has ended and left its files
//! is pushed once more.
//!
//! The totals of a process do not fall when it drops a `Stats` and keeps another: the pusher adds what it read from
//! files that are gone. (If they were folded, it subtracts that from the retired totals until the process is gone.) A
//! pusher that starts anew, such as each run of `mmstats push otlp --once`, knows only the files that exist. Its
//! totals are then smaller. Their start is the creation of the earliest file that is left. So if the oldest file
//! went, the start indicates a reset; if a younger one went, receivers see the reset from the value alone. A process
//! that drops all its files and makes new ones counts from zero again, with a new start.

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

/// The reason why nothing, or not everything, was pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is invalid or not supported.
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
        /// The URL of the receiver.
        endpoint: String,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The receiver cannot be reached, or did not accept the request.
    #[error("cannot push to {endpoint}: {problem}")]
    #[non_exhaustive]
    Failed {
        /// The URL of the receiver.
        endpoint: String,
        /// What happened.
        problem: String,
        /// The status of the answer, if there was one: the HTTP status, or the gRPC code, which is below 100.
        status: Option<u16>,
        /// How long to wait before the next push, if that may succeed. See [`Error::retry_after`].
        retry_after: Option<Duration>,
        /// How many points are lost because their requests will not be accepted later either.
        dropped: u64,
    },
}

impl Error {
    /// Returns how long to wait before the next push if the failure is temporary: what the receiver asked for, or
    /// else a time that grows with each failure. The wait is partly random. `None` means that pushing earlier than
    /// planned gains nothing.
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
