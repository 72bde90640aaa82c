//! Totals of living processes that do not fall.
//!
//! When a process drops a `Stats`, it has one file less, and the sums over its files fall. A receiver would take that
//! for a restart. So for as long as a process has any file, the counts of its files that are gone are kept and added
//! to those of its current files. If such a file was folded, the retired totals contain its counts too. Those are
//! subtracted from the pushed retired totals until the process is gone.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use super::resource::ResourceOwner;
use crate::Value;
use crate::reader::changes::{Change, changes, gone_files};
use crate::reader::{File, Model, Series, Snapshot};

/// The state that is kept from one reading to the next.
#[derive(Debug, Default)]
pub struct Totals {
    /// The last reading of each path, without its deltas.
    before: Vec<Snapshot>,
    processes: HashMap<ResourceOwner, BTreeMap<ModelPath, Carry>>,
}

/// A model of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ModelPath {
    path: Box<Path>,
    model: Box<str>,
}

/// The counts of a model that a process had in files that are gone. All maps are by label.
#[derive(Debug, Default)]
struct Carry {
    export: Box<str>,
    counted: HashMap<Box<str>, (Value, SystemTime)>,
    /// Series that are in no file of the process any more, with their totals.
    gone: BTreeMap<Box<str>, Series>,
    /// The part of these counts that is also in the retired file.
    folded: HashMap<Box<str>, Value>,
}

/// The model of each process and place, with the snapshot that it was read in.
type Parts<'a> = HashMap<(ResourceOwner, ModelPath), (&'a Snapshot, &'a Model)>;

impl Totals {
    /// Compares a reading with the previous one, of which it keeps only paths that could not be read now. Removes the
    /// deltas from this one: nothing else needs them, and each is as large as its series.
    pub fn compare(&mut self, now: &mut [Snapshot]) {
        let mut before = std::mem::take(&mut self.before);
        if !before.is_empty() {
            let now = &*now;
            let parts_now = parts(now);
            let there: HashSet<&ResourceOwner> = parts_now.keys().map(|(whose, _)| whose).collect();
            let mut unread = HashSet::new();
            for ((whose, place), part) in parts(&before) {
                let Some(snapshot) = now.iter().find(|now| now.path() == &*place.path) else {
                    unread.insert(whose);
                    continue;
                };
                if there.contains(&whose) {
                    let key = (whose, place);
                    let part_now = parts_now.get(&key).copied();
                    self.compare_part(key, part, part_now, snapshot);
                }
            }
            (self.processes).retain(|whose, _| there.contains(whose) || unread.contains(whose));
        }
        let is_read = |before: &Snapshot| now.iter().any(|now| now.path() == before.path());
        before.retain(|before| !is_read(before));
        self.before = before;
        now.iter_mut().for_each(Snapshot::forget_deltas);
    }

    fn compare_part(
        &mut self,
        (whose, place): (ResourceOwner, ModelPath),
        before: (&Snapshot, &Model),
        now: Option<(&Snapshot, &Model)>,
        all_now: &Snapshot,
    ) {
        let is_folded = LazyCell::new(|| {
            let gone = gone_files(before, now);
            gone.iter().any(|file| was_folded(file, all_now))
        });
        let model = before.1;
        changes(before, now, |series, change| {
            let places = self.processes.entry(whose.clone()).or_default();
            let carry = places.entry(place.clone()).or_default();
            carry.export = model.export().into();
            carry.take(series, change, *is_folded);
        });
        let carry = (self.processes.get_mut(&whose)).and_then(|places| places.get_mut(&place));
        if let (Some(carry), Some((_, now))) = (carry, now)
            && !carry.gone.is_empty()
        {
            let there: HashSet<&str> = now.series().iter().map(Series::label).collect();
            carry.gone.retain(|label, _| !there.contains(&**label));
        }
    }

    /// Keeps the [compared](Self::compare) reading for the next comparison.
    pub fn keep(&mut self, now: Vec<Snapshot>) {
        self.before.extend(now);
    }

    /// Returns the series that `whose` has in a model, ordered by label, whose total differs from that of the files.
    pub fn totals(&self, whose: &ResourceOwner, path: &Path, model: &Model) -> Vec<Series> {
        if self.processes.is_empty() {
            return Vec::new();
        }
        let place = ModelPath::new(path, model.name());
        let carry = self.processes.get(whose).and_then(|of| of.get(&place));
        let others: Vec<&Carry> = match whose {
            ResourceOwner::Process(_) => Vec::new(),
            ResourceOwner::Retired(_) => {
                let carries = self.processes.values();
                carries.filter_map(|of| of.get(&place)).collect()
            }
        };
        let total = |series: &Series| {
            let counted = carry.and_then(|carry| carry.counted.get(series.label()));
            let total = counted.map(|(value, since)| series.with_counted_since(value, *since));
            let mut rest = None;
            for folded in (others.iter()).filter_map(|carry| carry.folded.get(series.label())) {
                rest = Some(rest.as_ref().unwrap_or(series).without(folded));
            }
            total.or(rest)
        };
        model.series().iter().filter_map(total).collect()
    }

    /// Returns the series that are in no file of `whose` any more, with the model, the export prefix of its names,
    /// and the path where it was read.
    pub fn gone(
        &self,
        whose: &ResourceOwner,
    ) -> impl Iterator<Item = ((&str, &str, &Path), &Series)> {
        let places = self.processes.get(whose).into_iter().flatten();
        places.flat_map(|(place, carry)| {
            let origin = (&*place.model, &*carry.export, &*place.path);
            carry.gone.values().map(move |series| (origin, series))
        })
    }
}

impl ModelPath {
    fn new(path: &Path, model: &str) -> ModelPath {
        ModelPath {
            path: path.into(),
            model: model.into(),
        }
    }
}

impl Carry {
    /// Applies a change of a series.
    fn take(&mut self, series: &Series, change: Change, is_folded: bool) {
        let label = series.label();
        let is_gone = matches!(change, Change::Gone);
        let lost = match change {
            Change::Removed => {
                self.counted.remove(label);
                return;
            }
            Change::Gone if !series.counts() => return,
            Change::Gone => series.counted_part(series.value()),
            Change::Lost(lost) => lost,
        };
        if is_folded {
            let folded = match self.folded.get(label) {
                Some(folded) => series.with_value(lost.clone()).with_counted(folded),
                None => lost.clone(),
            };
            self.folded.insert(label.into(), folded);
        }
        let lost = series.with_value(lost);
        let total = match self.counted.get(label) {
            Some((counted, since)) => lost.with_counted_since(counted, *since),
            None => lost,
        };
        let counted = (total.value().clone(), total.since());
        self.counted.insert(label.into(), counted);
        if is_gone {
            self.gone.insert(label.into(), total);
        }
    }
}

/// Returns the models of processes.
fn parts(snapshots: &[Snapshot]) -> Parts<'_> {
    let models = snapshots.iter().flat_map(|snapshot| {
        let models = snapshot.models().iter();
        models.map(move |model| (snapshot, model))
    });
    let processes = models.filter(|(_, model)| model.process().is_some());
    processes
        .map(|(snapshot, model)| {
            let whose = ResourceOwner::of(model, snapshot.path());
            (
                (whose, ModelPath::new(snapshot.path(), model.name())),
                (snapshot, model),
            )
        })
        .collect()
}

/// Returns whether a file of an earlier reading was folded into a retired file.
fn was_folded(file: &File, now: &Snapshot) -> bool {
    now.files().iter().any(|retired| {
        retired.model() == file.model()
            && retired.owned_by() == file.owned_by()
            && (retired.folded())
                .is_some_and(|retired| retired.named.iter().any(|named| named.id == file.id()))
    })
}
