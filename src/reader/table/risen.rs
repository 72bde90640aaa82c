//! What was counted between two snapshots: of each label what its files have more than before.
//!
//! It is added up file by file, so that no coming and going of files makes it negative or too large. A
//! file that has gone takes nothing away. One that is new counts whole if it was created since the last
//! snapshot; one that is older and was not there to be read counts from now on.
//!
//! When the totals of ended processes are kept, a file that goes leaves what it had to the retired file
//! of its model, which names it: that much is taken off what the retired file has more than before.

use std::sync::Arc;

use super::Table;
use super::value::{Seen, contexts, decode, was_had};
use crate::format::schema::whole_label;
use crate::metric::Value;
use crate::metric::context::Copied;
use crate::metric::kind::Since;
use crate::reader::contents::Instance;
use crate::reader::file::StatsFile;
use crate::reader::plan::Metric;
use crate::reader::snapshot::Stat;

/// What one label has risen by since the last snapshot.
#[derive(Debug, Default)]
pub struct Risen {
    /// In the files of threads.
    counted: Option<Value>,
    /// What the retired file has.
    retired: Option<Value>,
    /// What it had in the last snapshot.
    retired_before: Option<Value>,
    /// What those files had in the last snapshot that have gone.
    gone: Option<Value>,
}

/// In which part of [`Risen`] a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Counted,
    Retired,
    Gone,
}

impl Risen {
    /// Adds the value of one file.
    fn add(&mut self, part: Part, metric: &Metric, value: Value) {
        let sum = match part {
            Part::Counted => &mut self.counted,
            Part::Retired => &mut self.retired,
            Part::Gone => &mut self.gone,
        };
        match sum {
            Some(sum) => (metric.kind.merge)(sum, value, &metric.schema, 1),
            None => *sum = Some(value),
        }
    }

    /// The sum, and begins anew. `first`: there is no last snapshot.
    fn take(&mut self, metric: &Metric, since: Since, first: bool) -> Value {
        let mut sum = (self.counted.take()).unwrap_or_else(|| (metric.kind.none)(&metric.schema));
        let before = std::mem::replace(&mut self.retired_before, self.retired.clone());
        let gone = self.gone.take();
        if let Some(mut retired) = self.retired.take().filter(|_| !first) {
            for known in [before, gone].iter().flatten() {
                since(&mut retired, known);
            }
            (metric.kind.merge)(&mut sum, retired, &metric.schema, 1);
        }
        sum
    }
}

impl Table {
    /// Adds what a file has more than at the pass before.
    pub fn add_risen(&mut self, file: &StatsFile) {
        let (part, before) = match (&file.contents.retired, &file.before) {
            (Some(_), _) => (Part::Retired, None),
            (None, Some(before)) => (Part::Counted, Some(&**before)),
            (None, None) => return,
        };
        let contexts = contexts(file);
        for (_, instance) in file.contents.there() {
            let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
            let now = &file.contents.values.words;
            let each = each_risen(file, instance, now, before, &contexts);
            for (index, metric, value) in each {
                let cell = &mut self.cells[shape.cells[index] as usize];
                if cell.kind.is_some_and(|kind| kind.code == metric.kind.code) {
                    cell.risen.get_or_insert_default().add(part, metric, value);
                }
            }
        }
    }

    /// Notes what a file had in the last snapshot that has gone since.
    pub fn add_gone(&mut self, file: &StatsFile) {
        let Some(before) = &file.before else {
            return;
        };
        let contexts = contexts(file);
        for (_, instance) in file.contents.there() {
            for (index, metric, value) in each_risen(file, instance, before, None, &contexts) {
                let label = &instance.plan.metrics[index].schema.label;
                let label = whole_label(&instance.prefix, label);
                let cell = self
                    .labels
                    .get(&*label)
                    .map(|&cell| &mut self.cells[cell as usize]);
                if let Some(cell) = cell
                    && cell.kind.is_some_and(|kind| kind.code == metric.kind.code)
                {
                    cell.risen
                        .get_or_insert_default()
                        .add(Part::Gone, metric, value);
                }
            }
        }
    }

    /// What all labels that can have risen by, by label.
    pub fn finish_risen(&mut self) -> Vec<Stat> {
        let first = !std::mem::replace(&mut self.compared, true);
        let mut stats = Vec::new();
        for &cell in &self.sorted {
            let cell = &mut self.cells[cell as usize];
            let (shape, metric) = cell.of;
            let plan = &self.shapes[shape as usize].plan;
            let schema = &plan.metrics[metric as usize];
            if let Some(since) = schema.kind.since.filter(|_| cell.seen) {
                let risen = cell.risen.get_or_insert_default();
                let value = risen.take(schema, since, first);
                stats.push(Stat::new(Arc::clone(&cell.label), value, plan, metric));
            } else {
                cell.risen = None;
            }
        }
        stats
    }

    /// What one file by itself has more than at the pass before, by label.
    pub fn risen_of_file(&self, file: &StatsFile) -> Vec<Stat> {
        let Some(before) = &file.before else {
            return Vec::new();
        };
        let mut stats = Vec::new();
        let contexts = contexts(file);
        for (_, instance) in file.contents.there() {
            let now = &file.contents.values.words;
            for (index, _, value) in each_risen(file, instance, now, Some(before), &contexts) {
                let label = Arc::clone(self.label(instance, index));
                stats.push(Stat::new(label, value, &instance.plan, index as u32));
            }
        }
        stats.sort_by(|a, b| a.label().cmp(b.label()));
        stats
    }
}

/// What the values of an instance that only rise have in the words `now` of the file more than in the
/// words `before` (`None`: all that they have): number of the metric, the metric and the difference.
/// What has not changed is left out.
fn each_risen<'a>(
    file: &'a StatsFile,
    instance: &'a Instance,
    now: &'a [u64],
    before: Option<&'a [u64]>,
    contexts: &'a Copied<'a>,
) -> impl Iterator<Item = (usize, &'a Metric, Value)> {
    // Of what rises no times are asked.
    let seen = Seen {
        current: true,
        retired: file.contents.retired.is_some(),
        now: None,
        contexts,
    };
    let mut parts = &*instance.parts;
    let metrics = instance.plan.metrics.iter().enumerate();
    metrics.filter_map(move |(index, metric)| {
        let since = metric.kind.since?;
        if !was_had(file, instance, metric) {
            return None;
        }
        let words = instance.at + metric.at..instance.at + metric.at + metric.words;
        // The count is one of them.
        if before.is_some_and(|before| before[words.clone()] == now[words]) {
            return None;
        }
        let before =
            before.map(|before| decode(before, instance, index, metric, &mut { parts }, seen));
        let mut value = decode(now, instance, index, metric, &mut parts, seen);
        if let Some(before) = before {
            since(&mut value, &before);
        }
        Some((index, metric, value))
    })
}
