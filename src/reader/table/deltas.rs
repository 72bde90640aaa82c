//! Deltas: what was counted between two snapshots. For each label this is the increase in its files.
//!
//! A delta is added up file by file, so files that come and go never make it negative or too large. A file
//! that has disappeared subtracts nothing. A new file counts as a whole if it was created since the last
//! snapshot. An older file that could not be read before counts from now on.
//!
//! If the totals of ended processes are kept, the values of a file that disappears are added to the retired
//! file of its model, which names it. So they are subtracted from the increase in the retired file.

use std::sync::Arc;

use super::MergeTable;
use super::retired::{ByPath, Sums};
use super::value::{FileStatus, contexts, decode, was_read};
use crate::metric::Value;
use crate::metric::context::CopiedContexts;
use crate::reader::contents::ReadInstance;
use crate::reader::file::OpenFile;
use crate::reader::plan::PlannedMetric;
use crate::reader::snapshot::Series;

impl MergeTable {
    /// Compares the retired files among those with the indices `of_model` with their values in the last
    /// snapshot. `gone` are files of that snapshot that have been folded since. Called once for each
    /// snapshot, after [`enter`](Self::enter).
    pub fn compare_retired(
        &mut self,
        files: &[&mut OpenFile],
        of_model: &[usize],
        gone: &[&OpenFile],
    ) {
        let (mut now, mut of_gone) = (ByPath::new(), ByPath::new());
        let files = of_model.iter().map(|&index| &*files[index]);
        for file in files.filter(|file| file.contents.retired.is_some()) {
            let sums = now.entry(Arc::clone(&file.path)).or_default();
            self.sum(file, &file.contents.values.words, sums);
            let folded_there = |gone: &&&OpenFile| gone.path.parent() == file.path.parent();
            for gone in gone.iter().filter(folded_there) {
                if let Some(before) = &gone.before {
                    let sums = of_gone.entry(Arc::clone(&file.path)).or_default();
                    self.sum(gone, before, sums);
                }
            }
        }
        self.retired.compare(now, &of_gone);
    }

    /// Adds the values that a file has in these words to the sums.
    fn sum(&self, file: &OpenFile, words: &[u64], sums: &mut Sums) {
        let contexts = contexts(file);
        for (_, instance) in file.contents.there() {
            for (index, metric, value) in each_delta(file, instance, words, None, &contexts) {
                let cell = match instance.shape {
                    Some(shape) if file.is_in(self.id) => {
                        Some(self.shapes[shape as usize].cells[index])
                    }
                    _ => {
                        let label = instance.identity.label(&metric.schema.label);
                        self.labels.get(&*label).copied()
                    }
                };
                let Some(cell) = cell else { continue };
                match sums.get_mut(&(cell, metric.kind.code)) {
                    Some(sum) => (metric.kind.merge)(sum, value, &metric.schema, 1),
                    None => drop(sums.insert((cell, metric.kind.code), value)),
                }
            }
        }
    }

    /// Adds the increase in a file of this merge since the previous pass.
    pub fn add_deltas(&mut self, file: &OpenFile) {
        if file.contents.retired.is_some() {
            for (&(cell, code), value) in self.retired.deltas(&file.path) {
                let cell = &mut self.cells[cell as usize];
                let (shape, metric) = cell.of;
                let metric = &self.shapes[shape as usize].plan.metrics[metric as usize];
                if cell.kind.is_some_and(|kind| kind.code == code) {
                    add(&mut cell.delta, metric, value.clone());
                }
            }
            return;
        }
        let Some(before) = &file.before else {
            return;
        };
        let contexts = contexts(file);
        for (_, instance) in file.contents.there() {
            let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
            let now = &file.contents.values.words;
            for (index, metric, value) in each_delta(file, instance, now, Some(before), &contexts) {
                let cell = &mut self.cells[shape.cells[index] as usize];
                if cell.kind.is_some_and(|kind| kind.code == metric.kind.code) {
                    add(&mut cell.delta, metric, value);
                }
            }
        }
    }

    /// Returns the deltas of all labels of this merge that have one, by label. Called after
    /// [`finish`](Self::finish). `last` is when the last snapshot was taken, from which deltas count.
    pub fn finish_deltas(&mut self, last: u64) -> Vec<Series> {
        let mut deltas = Vec::with_capacity(self.used.len());
        for &number in &self.used {
            let cell = &mut self.cells[number as usize];
            let (shape, metric) = cell.of;
            let schema = &self.shapes[shape as usize].plan.metrics[metric as usize];
            if schema.since().is_some() && cell.seen {
                let delta = cell.delta.take();
                let value = delta.map_or_else(|| schema.nothing(), |delta| *delta);
                deltas.push(self.series(number, value, last));
            }
        }
        deltas
    }
}

/// Adds the value of one file.
fn add(sum: &mut Option<Box<Value>>, metric: &PlannedMetric, value: Value) {
    match sum {
        Some(sum) => (metric.kind.merge)(sum, value, &metric.schema, 1),
        None => *sum = Some(Box::new(value)),
    }
}

/// Returns the increase of each value of an instance that only rises, from the words `before` of the file to
/// the words `now`, or its whole value if `before` is `None`: the number of the metric, the metric and the
/// increase. Unchanged values are left out.
fn each_delta<'a>(
    file: &'a OpenFile,
    instance: &'a ReadInstance,
    now: &'a [u64],
    before: Option<&'a [u64]>,
    contexts: &'a CopiedContexts<'a>,
) -> impl Iterator<Item = (usize, &'a PlannedMetric, Value)> {
    // The decoding of values that only rise needs no time.
    let seen = FileStatus {
        current: true,
        retired: file.contents.retired.is_some(),
        now: None,
        contexts,
    };
    let mut extents = &*instance.extents;
    let metrics = instance.plan.metrics.iter().enumerate();
    metrics.filter_map(move |(index, metric)| {
        let since = metric.since()?;
        if !was_read(file, instance, metric) {
            return None;
        }
        let words = instance.at + metric.at..instance.at + metric.at + metric.words;
        // The count is one of these words, so equal words mean an unchanged value.
        if before.is_some_and(|before| before[words.clone()] == now[words]) {
            return None;
        }
        let before =
            before.map(|before| decode(before, instance, index, metric, &mut { extents }, seen));
        let mut value = decode(now, instance, index, metric, &mut extents, seen);
        match before {
            Some(before) => since(&mut value, &before),
            // Only the counters of a compound are summed.
            None if !metric.schema.fields.is_empty() => since(&mut value, &metric.nothing()),
            None => {}
        }
        Some((index, metric, value))
    })
}
