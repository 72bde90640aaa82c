//! Deltas: what was counted between two snapshots, of each label what its files have more than before.
//!
//! It is added up file by file, so that no coming and going of files makes it negative or too large. A
//! file that has gone takes nothing away. One that is new counts whole if it was created since the last
//! snapshot; one that is older and was not there to be read counts from now on.
//!
//! When the totals of ended processes are kept, a file that goes leaves what it had to the retired file
//! of its model, which names it: that much is taken off what the retired file has more than before.

use std::sync::Arc;

use super::MergeTable;
use super::retired::{ByPath, Sums};
use super::value::{Seen, contexts, decode, was_read};
use crate::metric::Value;
use crate::metric::context::Copied;
use crate::reader::contents::ReadInstance;
use crate::reader::file::OpenFile;
use crate::reader::plan::PlannedMetric;
use crate::reader::snapshot::Series;

impl MergeTable {
    /// Compares the retired files among those that `of_model` names with what they had in the last
    /// snapshot. `gone` are files of that snapshot that were folded since. Once for each snapshot, after
    /// [`enter`](Self::enter).
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

    /// Adds up what a file has in these words.
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

    /// Adds what a file of this merge has more than at the pass before.
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

    /// What all labels of this merge that can have more than before, by label: after
    /// [`finish`](Self::finish). `last` is when the last snapshot was taken, from which they count.
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

/// What the values of an instance that only rise have in the words `now` of the file more than in the
/// words `before` (`None`: all that they have): number of the metric, the metric and the difference.
/// What has not changed is left out.
fn each_delta<'a>(
    file: &'a OpenFile,
    instance: &'a ReadInstance,
    now: &'a [u64],
    before: Option<&'a [u64]>,
    contexts: &'a Copied<'a>,
) -> impl Iterator<Item = (usize, &'a PlannedMetric, Value)> {
    // Of what rises no times are asked.
    let seen = Seen {
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
        // The count is one of them.
        if before.is_some_and(|before| before[words.clone()] == now[words]) {
            return None;
        }
        let before =
            before.map(|before| decode(before, instance, index, metric, &mut { extents }, seen));
        let mut value = decode(now, instance, index, metric, &mut extents, seen);
        match before {
            Some(before) => since(&mut value, &before),
            // Only its counters are summed.
            None if !metric.schema.fields.is_empty() => since(&mut value, &metric.nothing()),
            None => {}
        }
        Some((index, metric, value))
    })
}
