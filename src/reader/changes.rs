//! Compares a model's series from one reading to the next, for totals that do not fall when files disappear.
//!
//! The readings must have [deltas](Model::deltas).

use std::cell::LazyCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::Path;

use super::{File, Model, Series, Snapshot};
use crate::Value;

/// What happened to a series.
#[derive(Debug)]
pub(crate) enum Change {
    /// Some of its files are gone, and this is what they had counted. It is zero if the files that are gone
    /// were merely older than those that are left: then the total keeps its value, and the time from which it
    /// counts.
    Lost(Value),
    /// No file contains it any more.
    Gone,
    /// Its writers removed it: no file contains it, and all files still exist.
    Removed,
}

/// Calls `each` with every series of the model `before` that has changed other than by counting. `now` is the
/// same model, if it still has a file.
pub(crate) fn changes<'a>(
    before: (&Snapshot, &'a Model),
    now: Option<(&Snapshot, &Model)>,
    mut each: impl FnMut(&'a Series, Change),
) {
    let is_complete =
        LazyCell::new(|| now.is_some_and(|now| gone_files(before, Some(now)).is_empty()));
    let mut there = now.map(|(_, now)| now.series()).unwrap_or_default();
    let mut deltas = now.map(|(_, now)| now.deltas()).unwrap_or_default();
    for series in before.1.series() {
        let change = match find(&mut there, series.label()) {
            Some(now) => {
                let delta = find(&mut deltas, series.label()).map(Series::value);
                let is_younger = || now.since() > series.since();
                let lost = series.lost(delta, now.value());
                let lost = lost.or_else(|| series.nothing_counted().filter(|_| is_younger()));
                lost.map(Change::Lost)
            }
            None if *is_complete => Some(Change::Removed),
            None => Some(Change::Gone),
        };
        if let Some(change) = change {
            each(series, change);
        }
    }
}

/// Returns the files that a model no longer has.
pub(crate) fn gone_files<'a>(
    before: (&'a Snapshot, &Model),
    now: Option<(&Snapshot, &Model)>,
) -> Vec<&'a File> {
    let now = now.into_iter().flat_map(files);
    let now: HashSet<&Path> = now.map(File::path).collect();
    let mut gone: Vec<_> = files(before).collect();
    gone.retain(|file| !now.contains(file.path()));
    gone
}

fn files<'a>((snapshot, model): (&'a Snapshot, &Model)) -> impl Iterator<Item = &'a File> {
    let files = model.files().iter();
    files.map(|&at| &snapshot.files()[at])
}

/// Returns the series with this label, and advances `sorted` to it. The labels must be looked up in ascending
/// order.
fn find<'a>(sorted: &mut &'a [Series], label: &str) -> Option<&'a Series> {
    while let Some((first, rest)) = sorted.split_first() {
        // Snapshots of one reader share the texts of their labels.
        if std::ptr::eq(first.label(), label) {
            return Some(first);
        }
        match first.label().cmp(label) {
            Ordering::Less => *sorted = rest,
            Ordering::Equal => return Some(first),
            Ordering::Greater => return None,
        }
    }
    None
}
