//! Pushes to Redis, exactly once, into the keys of aka-stats.
//!
//! ```no_run
//! use mmstats::push::redis::Pusher;
//! use mmstats::reader::{Per, Reader};
//!
//! let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
//! let mut pusher = Pusher::new(connection).namespace("AKA-STATS");
//! let mut reader = Reader::open("/run/app")?;
//! reader.per(Per::File);
//! loop {
//!     let pushed = pusher.push(&[reader.snapshot()?])?;
//!     for problem in pushed.problems() {
//!         eprintln!("{problem}");
//!     }
//!     std::thread::sleep(std::time::Duration::from_secs(10));
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is pushed
//! Every kind that has count, total, deviation and extremes: Summary, Timer (in seconds), Percentile; Counter,
//! SamplingCounter and Errors as if each had been recorded as 1. Histories with their contexts. Labels are those of
//! aka-stats: `SNMP_WORKER;host_name=nl-ams_01`, `errors__EXC:ParseIntError`, `errors__all`. Models are not kept
//! apart: values with the same label add up, also with those of other machines and with those that Python's aka-stats
//! writes. The last value of a Timer, Percentile or Counter has the time at which it was read. If the last value is
//! not known (all processes have ended), it is the mean.
//!
//! | key | type | expires |
//! |---|---|---|
//! | `NS::COUNT::L`, `TOTAL`, `TOTAL_SQ`, `AVG`, `STDEV`, `MAX`, `MIN` | string | 14 days after the last change |
//! | `NS::LAST::L`, `NS::LAST_TIME::L` | string | never |
//! | `NS::HISTORY::L` | list of `timestamp;value;context`, newest first within each source | 14 days after the last entry |
//! | `NS::CONTEXTS::<md5>` | string | 14 days after it was used |
//! | `NS::INDEX` | sorted set of labels | never |
//! | `NS::MMSTATS::L` | hash: what was added already, by source | 28 days after the last push |
//! | `NS::MMSTATS-FOLDED` | sorted set: files whose totals are in a retired file | 28 days after the last push |
//! | `NS::MMSTATS-PUSHER::<id>` | string: the last round of a pusher | 28 days |
//!
//! # Exactly once
//! The pusher sends totals of a *source* (one series of one file), never differences. A script (`push.lua`) reads
//! from the state what it has already added from this source, and adds the rest, in one atomic step. So a repetition
//! adds nothing, and a lost answer, a killed pusher or a second pusher does no harm. When a file is folded, its
//! totals move to another source, the retired file. Before the retired file is pushed, the files that it names become
//! members of `MMSTATS-FOLDED`. From then on the script ignores them as sources, and counts what they had added as
//! part of the retired file's totals. One set for all labels is used instead of a mark in each, because a retired
//! file names up to 1,025 files.
//!
//! A server that loses its last writes (for example when restarted from an old dump) loses state and data together.
//! The pusher sees from its own key that its last round is missing, and pushes everything anew; the script adds what
//! is missing.
//!
//! # Bounds
//! - A source that is not pushed for 28 days is forgotten. If it is pushed again, it counts twice if other sources
//!   have kept the label alive. Idle sources are touched daily.
//! - If more than 1,024 files are folded between two pushes, some that were pushed are no longer named. They count
//!   twice, and a [`Problem`] reports it.
//! - Entries that a history loses between two pushes are lost (it keeps 1,000), and so are those between the last
//!   push and the end of a process whose files were folded.
//! - Counts are exact up to 2⁵³.
//! - STDEV is exact for pushed values, however large they are. Values that Python adds to the same label are known
//!   only through TOTAL_SQ.
//! - An eviction policy other than `noeviction` may drop the state of a label but keep its data.

mod error;
mod message;
mod send;
mod source;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Connection, Script};

pub use self::error::{Error, Problem};
use self::message::DeliveredState;
use crate::reader::Snapshot;

/// The default namespace, as in aka-stats.
pub const NAMESPACE: &str = "AKA-STATS";
/// How many entries of a history are kept by default.
pub const HISTORY_SIZE: usize = 1000;
/// The model of a pusher's own metrics, which is not pushed, because labels do not say which model they belong to.
pub const OWN_MODEL: &str = "mmstats-push";

/// Pushes snapshots to Redis: see the [module](self).
///
/// It remembers what Redis has, and sends only what is new. That takes about 100 bytes for each series of each file.
/// It makes no connection of its own, but uses the one that it is given; if Redis has replicas, that must be one to
/// the primary.
pub struct Pusher {
    /// `None` after it failed, because answers to earlier commands may still arrive.
    connection: Option<Connection>,
    namespace: String,
    history_size: usize,
    script: Script,
    /// The key that holds the number of the last round.
    marker: String,
    round: u64,
    /// The day on which everything was last pushed.
    day: u64,
    /// What Redis has, by file and by source.
    known: HashMap<String, HashMap<String, DeliveredState>>,
}

/// The result of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    sent: usize,
    problems: Vec<Problem>,
}

impl Pushed {
    /// Returns how many sources had something new.
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let mut pusher = Pusher::new(connection);
    /// let pushed = pusher.push(&[Reader::open("/run/app")?.per(Per::File).snapshot()?])?;
    /// println!("{} sources", pushed.sent());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Returns refused labels and other problems. Refused labels are tried again in the next round.
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let mut pusher = Pusher::new(connection);
    /// let pushed = pusher.push(&[Reader::open("/run/app")?.per(Per::File).snapshot()?])?;
    /// for problem in pushed.problems() {
    ///     eprintln!("{problem}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Pusher {
    /// Makes a pusher that writes through this connection into the namespace `AKA-STATS`.
    ///
    /// ```no_run
    /// let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// let pusher = mmstats::push::redis::Pusher::new(connection);
    /// # Ok::<(), redis::RedisError>(())
    /// ```
    pub fn new(connection: Connection) -> Pusher {
        let id = RandomState::new().hash_one(std::process::id());
        Pusher {
            connection: Some(connection),
            namespace: NAMESPACE.to_owned(),
            history_size: HISTORY_SIZE,
            script: Script::new(send::SCRIPT),
            marker: format!("MMSTATS-PUSHER::{id:016x}"),
            round: 0,
            day: 0,
            known: HashMap::new(),
        }
    }

    /// Sets the namespace. On a cluster it must be in braces: `{stats}`.
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// let pusher = Pusher::new(connection).namespace("SHOP");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Pusher {
        self.namespace = namespace.to_owned();
        self.known.clear();
        self.round = 0;
        self
    }

    /// Sets how many entries of each history are kept.
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// let pusher = Pusher::new(connection).history_size(100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn history_size(mut self, entries: usize) -> Pusher {
        self.history_size = entries.max(1);
        self
    }

    /// Uses another connection from now on, after the previous one has failed ([`Error::Connection`]).
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// let mut pusher = Pusher::new(connection);
    /// let another = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// pusher.reconnect(another);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconnect(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// Pushes what is new in these snapshots. They must contain everything that this pusher pushes: it forgets files
    /// that are not in them.
    ///
    /// Makes a round trip for every 500 sources. 5,000 labels take about 0.3 s the first time, and next to nothing
    /// while nothing changes.
    ///
    /// ```no_run
    /// use mmstats::push::redis::Pusher;
    ///
    /// # let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection()?;
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let mut pusher = Pusher::new(connection);
    /// let pushed = pusher.push(&[Reader::open("/run/app")?.per(Per::File).snapshot()?])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Connection`] and [`Error::Refused`] if the server cannot be reached or does not accept writes. Part
    /// of the round may have been pushed, and the next one pushes the rest. A failed connection is dropped: call
    /// [`reconnect`](Self::reconnect). Set timeouts on the connection, or a server that does not answer blocks the
    /// caller. [`Error::Moved`] comes from clusters. [`Error::NotPerFile`] if a snapshot does not keep files apart.
    pub fn push(&mut self, snapshots: &[Snapshot]) -> Result<Pushed, Error> {
        let pushed = self.push_round(snapshots);
        pushed.map_err(|error| error.or_one_slot(&self.namespace))
    }

    fn push_round(&mut self, snapshots: &[Snapshot]) -> Result<Pushed, Error> {
        let apart = |snapshot: &Snapshot| {
            snapshot.files().is_empty()
                || snapshot.models().iter().any(|model| model.file().is_some())
        };
        if !snapshots.iter().all(apart) {
            return Err(Error::NotPerFile);
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let (now, day) = (since.as_nanos() as u64, since.as_secs() / 86_400);
        // Until this round has succeeded, it is not known what the server has.
        let known_on = std::mem::take(&mut self.day);
        if day != known_on || !self.is_as_it_was()? {
            self.known.clear();
        }
        let mut pushed = Pushed::default();
        let models = snapshots.iter().flat_map(Snapshot::models);
        let models = models.filter(|model| model.name() != OWN_MODEL);
        // Only files that exist now stay known.
        let mut before = std::mem::take(&mut self.known);
        let (mut folded, mut messages) = (Vec::new(), Vec::new());
        for model in models {
            let Some(file) = model.file() else { continue };
            let Some(name) = source::of_file(file) else {
                pushed.problems.push(Problem {
                    label: file.path().display().to_string(),
                    problem: "not pushed: it does not list the files folded into it".to_owned(),
                });
                continue;
            };
            let known = before.remove(&name).unwrap_or_default();
            let new = message::of_file(model, &name, &known, now);
            self.known.insert(name, known);
            if file.retired().is_some() && !new.is_empty() {
                folded.extend(source::folded(file));
            }
            messages.extend(new);
        }
        self.send_folded(&folded, since.as_secs())?;
        pushed.sent = messages.len();
        self.send(messages, day, &mut pushed.problems)?;
        self.mark()?;
        self.day = day;
        Ok(pushed)
    }
}
