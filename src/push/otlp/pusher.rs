//! A push: reads everything, encodes it, sends it, and tracks what is still to be sent.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::client::{Client, Failure};
use super::metrics::Metrics;
use super::request::{Piece, pieces, request};
use super::resource::{ResourceOwner, Resources, unix_nanos};
use super::totals::Totals;
use super::{Error, Options};
use crate::push::backoff::Backoff;
use crate::push::lock::Locks;
use crate::reader::sources::Sources;
use crate::reader::{Model, Per, Process, Series, Snapshot, State};

/// The model of a pusher's own metrics, which it does not push: each start of a pusher would be one more process for
/// the receiver.
pub const OWN_MODEL: &str = "mmstats-push";

/// How many bytes the last totals of processes that are gone may take while the receiver is unreachable.
const ENDED_MOST: usize = 16 << 20;

/// Pushes one reading at a time: see the [module](super).
///
/// It blocks. In asynchronous code run it on a separate thread or with `spawn_blocking`: within a task it blocks the
/// task's thread. Over HTTP it uses the proxy that the environment names (the first of `ALL_PROXY`, `HTTPS_PROXY` and
/// `HTTP_PROXY`, unless `NO_PROXY` names the receiver). gRPC uses no proxy.
#[derive(Debug)]
pub struct Pusher {
    /// Whether this pusher pushes once, so readings are not compared.
    is_once: bool,
    sources: Sources,
    client: Client,
    resources: Resources,
    totals: Totals,
    locks: Locks,
    options: Options,
    backoff: Backoff,
    /// Processes that have ended and whose last totals were pushed.
    done: HashSet<ResourceOwner>,
    /// Pieces of the last reading that were not accepted.
    unsent: HashMap<ResourceOwner, Vec<Piece>>,
    /// Pieces of processes that are gone that were not accepted, oldest first.
    ended: VecDeque<Piece>,
    /// The warnings of the last push: each is reported once.
    reported: Vec<String>,
}

/// The result of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// How many points were sent.
    pub points: u64,
    /// How many of them the receiver rejected.
    pub rejected: u64,
    /// How many of the paths could not be read.
    pub unread: usize,
}

/// Something to send: a piece, and its resource unless that is gone.
struct Item {
    whose: Option<ResourceOwner>,
    piece: Piece,
}

/// The results of all requests of a push.
#[derive(Default)]
struct Round {
    points: u64,
    rejected: u64,
    dropped: u64,
    failure: Option<Failure>,
    warnings: Vec<String>,
}

impl Pusher {
    /// Makes a pusher. It reads the certificates, if any, and nothing else yet.
    ///
    /// ```
    /// use mmstats::push::otlp::{Options, Pusher};
    ///
    /// let pusher = Pusher::new(Options::default())?;
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn new(options: Options) -> Result<Pusher, Error> {
        Pusher::make(options, false)
    }

    /// Makes a pusher for a single push. It does not keep a reading and so takes half the memory. If it pushes again,
    /// totals fall if a process has dropped a `Stats`.
    ///
    /// ```no_run
    /// use mmstats::push::otlp::{Options, Pusher};
    ///
    /// let pushed = Pusher::once(Options::from_env()?)?.push()?;
    /// println!("{} points", pushed.points);
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn once(options: Options) -> Result<Pusher, Error> {
        Pusher::make(options, true)
    }

    fn make(options: Options, is_once: bool) -> Result<Pusher, Error> {
        Ok(Pusher {
            is_once,
            sources: Sources::new(&options.paths, Per::Process, !is_once),
            client: Client::new(&options)?,
            resources: Resources::new(&options),
            totals: Totals::default(),
            locks: Locks::new(&options.endpoint),
            options,
            backoff: Backoff::default(),
            done: HashSet::new(),
            unsent: HashMap::new(),
            ended: VecDeque::new(),
            reported: Vec::new(),
        })
    }

    /// Reads all values and pushes them, in one attempt. Points that the receiver rejects for good, and files that
    /// cannot be read, are also reported once through `log`. Blocks for at most [`Options::timeout`] for each
    /// request, and for a second more if another pusher holds a lock.
    ///
    /// ```no_run
    /// use mmstats::push::otlp::{Options, Pusher};
    ///
    /// let mut pusher = Pusher::new(Options::from_env()?)?;
    /// loop {
    ///     if let Err(error) = pusher.push() {
    ///         eprintln!("{error}");
    ///     }
    ///     std::thread::sleep(std::time::Duration::from_secs(10));
    /// }
    /// # #[allow(unreachable_code)]
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Locked`] if another process pushes a root; nothing was pushed. [`Error::Failed`] if not everything
    /// was pushed. Then call it again after [`Error::retry_after`]: it reads anew.
    pub fn push(&mut self) -> Result<Pushed, Error> {
        self.push_by(None)
    }

    /// Like [`push`](Self::push), but limits the total time of the requests. For a last push before the process ends.
    ///
    /// ```no_run
    /// use mmstats::push::otlp::{Options, Pusher};
    ///
    /// let mut pusher = Pusher::new(Options::from_env()?)?;
    /// pusher.push_within(std::time::Duration::from_secs(2))?; // before the process ends
    /// # Ok::<(), mmstats::push::otlp::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as for [`push`](Self::push).
    pub fn push_within(&mut self, time: Duration) -> Result<Pushed, Error> {
        self.push_by(Some(Instant::now() + time))
    }

    fn push_by(&mut self, end: Option<Instant>) -> Result<Pushed, Error> {
        let (mut snapshots, failures) = self.sources.read();
        // Taken after the values, so nothing that was read is later.
        let time = unix_nanos(SystemTime::now());
        self.locks
            .take(&snapshots)
            .map_err(|locked| Error::Locked {
                root: locked.root,
                endpoint: self.options.endpoint.clone(),
                lock: locked.lock,
            })?;
        let mut round = Round::default();
        self.totals.compare(&mut snapshots);
        let (items, dead) = self.items(&snapshots, time, &mut round);
        let unread = failures.len();
        round.warnings.extend(problems(&snapshots, &failures));
        if self.is_once {
            // The snapshots may be large, and the requests may take long.
            drop(snapshots);
        } else {
            self.totals.keep(snapshots);
        }
        let rest = self.send(items, end, &mut round);
        self.keep(rest, dead);
        self.report(&round.warnings);
        self.outcome(round, unread)
    }

    /// Returns what is to be sent, and which of these processes have ended.
    fn items(
        &mut self,
        snapshots: &[Snapshot],
        time: u64,
        round: &mut Round,
    ) -> (VecDeque<Item>, Vec<ResourceOwner>) {
        let groups = groups(snapshots);
        let there: HashSet<&ResourceOwner> = groups.iter().map(|group| &group.whose).collect();
        self.done.retain(|whose| there.contains(whose));
        self.resources.forget_others(&there);
        for (whose, pieces) in std::mem::take(&mut self.unsent) {
            if !there.contains(&whose) {
                self.ended.extend(pieces);
            }
        }
        round.dropped += self.forget_ended();
        let ended = self.ended.drain(..);
        let mut items: VecDeque<_> = ended.map(|piece| Item { whose: None, piece }).collect();
        let mut dead = Vec::new();
        for group in &groups {
            if group.is_dead {
                if self.done.contains(&group.whose) {
                    continue;
                }
                dead.push(group.whose.clone());
            }
            let models = group.models.iter();
            let totals: Vec<Vec<Series>> = models
                .map(|(path, model)| self.totals.totals(&group.whose, path, model))
                .collect();
            let series = (group.models.iter()).map(|(_, model)| model.series().len());
            let mut metrics = Metrics::new(self.options.exponential, series.sum());
            for (&(path, model), totals) in group.models.iter().zip(&totals) {
                let mut totals = totals.iter().peekable();
                for own in model.series() {
                    let total = totals.next_if(|total| total.label() == own.label());
                    let origin = (model.name(), model.export(), path);
                    metrics.add(origin, total.unwrap_or(own));
                }
            }
            for (origin, series) in self.totals.gone(&group.whose) {
                metrics.add(origin, series);
            }
            let resource = self.resources.encoded(&group.whose, group.process());
            let pieces = pieces(resource, metrics, time);
            items.extend(pieces.into_iter().map(|piece| Item {
                whose: Some(group.whose.clone()),
                piece,
            }));
        }
        (items, dead)
    }

    /// Drops the oldest pieces of ended processes beyond the limit. Returns how many points they had.
    fn forget_ended(&mut self) -> u64 {
        let mut bytes: usize = self.ended.iter().map(|piece| piece.bytes.len()).sum();
        let mut points = 0;
        while bytes > ENDED_MOST
            && let Some(piece) = self.ended.pop_front()
        {
            bytes -= piece.bytes.len();
            points += piece.points;
        }
        points
    }

    /// Sends until a temporary failure. Returns the items that may be accepted later.
    fn send(
        &mut self,
        mut items: VecDeque<Item>,
        end: Option<Instant>,
        round: &mut Round,
    ) -> VecDeque<Item> {
        let most = self.client.request_most();
        while !items.is_empty() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(item) = items.front()
                && (batch.is_empty() || bytes + item.piece.bytes.len() <= most)
            {
                bytes += item.piece.bytes.len();
                batch.extend(items.pop_front());
            }
            let points: u64 = batch.iter().map(|item| item.piece.points).sum();
            let request = request(batch.iter().map(|item| &item.piece));
            let timeout = end.map_or(self.options.timeout, |end| {
                let left = end.saturating_duration_since(Instant::now());
                left.min(self.options.timeout)
            });
            match self.client.send(request, timeout) {
                Ok(accepted) => {
                    round.points += points;
                    round.rejected += accepted.rejected.min(points);
                    if let Some(warning) = warning(accepted.rejected, &accepted.message) {
                        round.warnings.push(warning);
                    }
                }
                Err(failure) if failure.is_temporary => {
                    round.failure = Some(failure);
                    for item in batch.into_iter().rev() {
                        items.push_front(item);
                    }
                    break;
                }
                Err(failure) => {
                    round.dropped += points;
                    round.failure = Some(failure);
                }
            }
        }
        items
    }

    /// Keeps the items that were not accepted, until the next reading decides which are still needed.
    fn keep(&mut self, rest: VecDeque<Item>, dead: Vec<ResourceOwner>) {
        for item in rest {
            match item.whose {
                Some(whose) => self.unsent.entry(whose).or_default().push(item.piece),
                None => self.ended.push_back(item.piece),
            }
        }
        let is_done = |whose: &ResourceOwner| !self.unsent.contains_key(whose);
        self.done.extend(dead.into_iter().filter(is_done));
    }

    /// Reports the warnings that were not reported last time.
    fn report(&mut self, warnings: &[String]) {
        for warning in warnings {
            if !self.reported.contains(warning) {
                log::warn!("mmstats: {warning}");
            }
        }
        self.reported = warnings.to_vec();
    }

    fn outcome(&mut self, round: Round, unread: usize) -> Result<Pushed, Error> {
        let Some(failure) = round.failure else {
            self.backoff.reset();
            return Ok(Pushed {
                points: round.points,
                rejected: round.rejected + round.dropped,
                unread,
            });
        };
        let retry_after = (failure.is_temporary).then(|| self.backoff.next(failure.retry_after));
        Err(Error::Failed {
            endpoint: self.options.endpoint.clone(),
            problem: failure.problem,
            status: failure.status,
            retry_after,
            dropped: round.dropped + round.rejected,
        })
    }
}

/// The models of one resource.
struct Group<'a> {
    whose: ResourceOwner,
    is_dead: bool,
    models: Vec<(&'a Path, &'a Model)>,
}

impl Group<'_> {
    fn process(&self) -> Option<&Process> {
        self.models.first().and_then(|(_, model)| model.process())
    }
}

/// Returns the resources, in the order in which they were read.
fn groups(snapshots: &[Snapshot]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut index: HashMap<ResourceOwner, usize> = HashMap::new();
    for snapshot in snapshots {
        for model in snapshot.models() {
            if model.name() == OWN_MODEL {
                continue;
            }
            let whose = ResourceOwner::of(model, snapshot.path());
            let is_dead = model
                .process()
                .is_some_and(|process| process.state() == State::Dead);
            let at = *index.entry(whose).or_insert_with_key(|whose| {
                groups.push(Group {
                    whose: whose.clone(),
                    is_dead,
                    models: Vec::new(),
                });
                groups.len() - 1
            });
            groups[at].is_dead &= is_dead;
            groups[at].models.push((snapshot.path(), model));
        }
    }
    groups
}

/// Returns the receiver's warning about a request that it accepted, if any.
fn warning(rejected: u64, message: &str) -> Option<String> {
    match (rejected, message) {
        (0, "") => None,
        (0, message) => Some(format!("the receiver warns: {message}")),
        (points, message) => Some(format!("the receiver rejected {points} points: {message}")),
    }
}

/// Returns what could not be read.
fn problems(snapshots: &[Snapshot], failures: &[(PathBuf, String)]) -> Vec<String> {
    let failures = failures.iter();
    let failures = failures.map(|(path, error)| format!("{}: {error}", path.display()));
    let files = snapshots.iter().flat_map(Snapshot::errors);
    let files = files.map(|problem| format!("{}: {}", problem.path().display(), problem.error()));
    failures.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_processes_that_are_gone_the_oldest_are_forgotten_when_they_are_too_much() {
        let mut pusher = Pusher::new(Options::default()).unwrap();
        let piece = |points| Piece {
            bytes: vec![0; 1 << 20],
            points,
        };
        pusher.ended.extend((1..=20).map(piece));
        assert_eq!(pusher.forget_ended(), 1 + 2 + 3 + 4);
        assert_eq!(pusher.forget_ended(), 0);
        let bytes = pusher.ended.iter().map(|piece| piece.bytes.len());
        assert_eq!(bytes.sum::<usize>(), ENDED_MOST);
    }
}
