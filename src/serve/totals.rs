//! Totals that never fall, because they include the counts of files that are gone.
//!
//! A worker that ends removes its files, and a sum over the files falls. A server takes that for a reset and shows a
//! spike. So for each series that counts, the agent keeps the part that is in no file any more (`carry`), and adds it
//! to the value that it shows. From one reading to the next, that part grows by the previous value, plus what was
//! counted since ([`Model::deltas`]), minus the current value. The total counts from the creation of the first of
//! these files: a later time would be a reset.
//!
//! A series that is in no file any more is shown with its last value for a time. A series that its writers removed
//! while all their files stay disappears at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;

use crate::Value;
use crate::reader::changes::{Change, changes};
use crate::reader::{Model, Series, Snapshot};

/// One reading: the snapshots of one moment, with the totals.
#[derive(Debug)]
pub struct Reading {
    /// The number of the reading.
    pub number: u64,
    /// When it was, by the monotonic clock.
    pub at: Instant,
    /// When it was, in seconds since 1970-01-01 UTC.
    pub time: f64,
    /// The snapshots, one for each path.
    pub snapshots: Vec<Snapshot>,
    /// Paths that could not be read, with the reason.
    pub failures: Vec<(std::path::PathBuf, String)>,
    /// The totals of series that had files that are gone.
    totals: HashMap<Key, Series>,
    /// Series that are in no file any more.
    gone: Vec<Arc<EndedSeries>>,
    /// The reading as an event of the stream, made once for all listeners.
    event: OnceLock<Bytes>,
}

/// A series of one model of one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: Arc<Path>,
    model: Arc<str>,
    label: Arc<str>,
}

/// A series that is in no file any more, with its last value.
#[derive(Debug)]
pub struct EndedSeries {
    model: Arc<str>,
    export: Arc<str>,
    path: Arc<Path>,
    series: Series,
    since: Instant,
}

/// A series of a reading, with its total.
#[derive(Clone, Copy)]
pub struct SeriesTotal<'a> {
    /// Its model.
    pub model: &'a str,
    /// The prefix that exporters put before the model's names.
    pub export: &'a str,
    /// The path that was read.
    pub path: &'a Path,
    /// The series, with a value that includes the counts of files that are gone.
    pub series: &'a Series,
    /// Whether it is still in some file.
    pub is_there: bool,
}

impl Reading {
    /// Returns the reading as an event, which the first call makes with `make`.
    pub fn event(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        self.event.get_or_init(make).clone()
    }

    /// Returns all series with their totals.
    pub fn series(&self) -> impl Iterator<Item = SeriesTotal<'_>> {
        let there = self.snapshots.iter().flat_map(move |snapshot| {
            let models = snapshot.merged().iter();
            models.flat_map(move |model| self.of_model(snapshot.path(), model))
        });
        there.chain(self.gone.iter().map(|gone| SeriesTotal {
            model: &gone.model,
            export: &gone.export,
            path: &gone.path,
            series: &gone.series,
            is_there: false,
        }))
    }

    fn of_model<'a>(
        &'a self,
        path: &'a Path,
        model: &'a Model,
    ) -> impl Iterator<Item = SeriesTotal<'a>> {
        let total = move |series: &Series| {
            if self.totals.is_empty() {
                return None;
            }
            self.totals
                .get(&Key::new(path, model.name(), series.label()))
        };
        model.series().iter().map(move |series| SeriesTotal {
            model: model.name(),
            export: model.export(),
            path,
            series: total(series).unwrap_or(series),
            is_there: true,
        })
    }
}

impl Key {
    fn new(path: &Path, model: &str, label: &str) -> Key {
        Key {
            path: path.into(),
            model: model.into(),
            label: label.into(),
        }
    }

    /// Returns the series with this key.
    fn find<'a>(&self, snapshots: &'a [Snapshot]) -> Option<&'a Series> {
        let mut snapshots = snapshots.iter();
        let snapshot = snapshots.find(|snapshot| snapshot.path() == &*self.path)?;
        let all = snapshot.model(&self.model)?.series();
        let at = (all.binary_search_by(|series| series.label().cmp(&self.label))).ok()?;
        Some(&all[at])
    }
}

/// The state that is kept from one reading to the next.
#[derive(Debug)]
pub struct Totals {
    /// The counts of files that are gone, with the time from which they count.
    carry: HashMap<Key, (Value, SystemTime)>,
    gone: HashMap<Key, Arc<EndedSeries>>,
    /// How long series are kept that are in no file.
    keep: Duration,
    number: u64,
}

impl Totals {
    /// Makes an empty state.
    pub fn new(keep: Duration) -> Totals {
        Totals {
            carry: HashMap::new(),
            gone: HashMap::new(),
            keep,
            number: 0,
        }
    }

    /// Makes a reading from what was read now; `before` is the previous reading.
    pub fn reading(
        &mut self,
        before: Option<&Reading>,
        (snapshots, failures): crate::reader::sources::Read,
        (at, time): (Instant, f64),
    ) -> Reading {
        for before in before.iter().flat_map(|before| &before.snapshots) {
            let now = (snapshots.iter()).find(|now| now.path() == before.path());
            for model in before.merged() {
                let now = now.and_then(|now| Some((now, now.model(model.name())?)));
                self.compare(at, before, model, now);
            }
        }
        let (carry, keep) = (&mut self.carry, self.keep);
        self.gone.retain(|key, gone| {
            if key.find(&snapshots).is_some() {
                return false;
            }
            let stays = at.duration_since(gone.since) < keep;
            if !stays {
                carry.remove(key);
            }
            stays
        });
        self.number += 1;
        let mut gone: Vec<_> = self.gone.values().map(Arc::clone).collect();
        gone.sort_by(|a, b| {
            let key =
                |gone: &EndedSeries| (Arc::clone(&gone.model), gone.series.label().to_owned());
            key(a).cmp(&key(b))
        });
        Reading {
            number: self.number,
            at,
            time,
            totals: self.totals(&snapshots),
            gone,
            snapshots,
            failures,
            event: OnceLock::new(),
        }
    }

    /// Carries the counts that a model does not have any more.
    fn compare(
        &mut self,
        at: Instant,
        before: &Snapshot,
        model: &Model,
        now: Option<(&Snapshot, &Model)>,
    ) {
        changes((before, model), now, |series, change| {
            let key = Key::new(before.path(), model.name(), series.label());
            match change {
                Change::Lost(lost) => {
                    let lost = self.total(&key, series.with_value(lost));
                    self.carry.insert(key, (lost.value().clone(), lost.since()));
                }
                Change::Removed => {
                    self.carry.remove(&key);
                }
                Change::Gone if series.counts() => {
                    let total = self.total(&key, series.with_value(series.value().clone()));
                    let counted = (series.counted_part(total.value()), total.since());
                    let gone = EndedSeries {
                        model: model.name().into(),
                        export: model.export().into(),
                        path: before.path().into(),
                        series: total,
                        since: at,
                    };
                    self.carry.insert(key.clone(), counted);
                    self.gone.insert(key, Arc::new(gone));
                }
                Change::Gone => {}
            }
        });
    }

    /// Returns a series with its carried counts added.
    fn total(&self, key: &Key, series: Series) -> Series {
        match self.carry.get(key) {
            Some((counted, since)) => series.with_counted_since(counted, *since),
            None => series,
        }
    }

    /// Returns the totals of series that exist and have carried counts.
    fn totals(&self, snapshots: &[Snapshot]) -> HashMap<Key, Series> {
        let carried = self.carry.iter();
        let there = carried.filter_map(|(key, (counted, since))| {
            let series = key.find(snapshots)?;
            Some((key.clone(), series.with_counted_since(counted, *since)))
        });
        there.collect()
    }
}
