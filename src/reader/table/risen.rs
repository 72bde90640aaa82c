//! What was counted between two snapshots: of each label what its files have more than before.
//!
//! It is added up file by file, so that no coming and going of files makes it negative or too large. A
//! file that has gone takes nothing away. One that is new counts whole if it was created since the last
//! snapshot; one that is older and was not there to be read counts from now on.
//!
//! When the totals of ended processes are kept, a file that goes leaves what it had to the retired file
//! of its model, in which it was not counted just now: that much is taken off what the retired file has
//! more than before.

use std::sync::Arc;

use super::{Seen, Table, decode, was_had};
use crate::format::schema::whole_label;
use crate::metric::Value;
use crate::metric::context::Copied;
use crate::metric::kind::{Counts, code};
use crate::reader::contents::Instance;
use crate::reader::file::StatsFile;
use crate::reader::plan::Metric;
use crate::reader::snapshot::Stat;

/// Whether values of this metric only rise, so that there is something to say of an interval.
fn rises(metric: &Metric) -> bool {
    let code = metric.kind.code;
    metric.kind.counts == Counts::All
        && (code == code::COUNTER || code == code::TIMER || code == code::PERCENTILE)
}

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
        match (sum, value) {
            // What most values are.
            (Some(Value::Counter(sum)), Value::Counter(n)) => *sum = sum.saturating_add(n),
            (Some(sum), value) => (metric.kind.merge)(sum, value, &metric.schema, 1),
            (sum, value) => *sum = Some(value),
        }
    }

    /// The sum, and begins anew. `first`: there is no last snapshot.
    fn take(&mut self, metric: &Metric, first: bool) -> Value {
        let mut sum = (self.counted.take()).unwrap_or_else(|| (metric.kind.none)(&metric.schema));
        let before = std::mem::replace(&mut self.retired_before, self.retired.clone());
        let gone = self.gone.take();
        if let Some(retired) = self.retired.take().filter(|_| !first) {
            let mut known = [before, gone].into_iter().flatten();
            let risen = known.try_fold(retired, |left, known| since(left, &known));
            if let Some(risen) = risen {
                (metric.kind.merge)(&mut sum, risen, &metric.schema, 1);
            }
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
        for instance in &file.contents.instances {
            let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
            let now = &file.contents.values.words;
            let each = each_risen(file, instance, now, before);
            for (index, metric, value) in each {
                let cell = &mut self.cells[shape.cells[index] as usize];
                if cell.kind.is_some_and(|kind| kind.code == metric.kind.code) {
                    cell.risen.add(part, metric, value);
                }
            }
        }
    }

    /// Notes what a file had in the last snapshot that has gone since.
    pub fn add_gone(&mut self, file: &StatsFile) {
        let Some(before) = &file.before else {
            return;
        };
        for instance in &file.contents.instances {
            for (index, metric, value) in each_risen(file, instance, before, None) {
                let label = &instance.plan.metrics[index].schema.label;
                let label = whole_label(&instance.prefix, label);
                let cell = self
                    .labels
                    .get(&*label)
                    .map(|&cell| &mut self.cells[cell as usize]);
                if let Some(cell) = cell
                    && cell.kind.is_some_and(|kind| kind.code == metric.kind.code)
                {
                    cell.risen.add(Part::Gone, metric, value);
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
            if cell.seen && rises(schema) {
                let value = cell.risen.take(schema, first);
                stats.push(Stat::new(Arc::clone(&cell.label), value, plan, metric));
            } else {
                cell.risen = Risen::default();
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
        for instance in &file.contents.instances {
            let now = &file.contents.values.words;
            for (index, _, value) in each_risen(file, instance, now, Some(before)) {
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
/// What has not changed is left out, but for counters.
fn each_risen<'a>(
    file: &'a StatsFile,
    instance: &'a Instance,
    now: &'a [u64],
    before: Option<&'a [u64]>,
) -> impl Iterator<Item = (usize, &'a Metric, Value)> {
    let mut parts = &*instance.parts;
    // Only counts are asked of what rises: neither contexts nor times.
    let none = Copied::default();
    let metrics = instance.plan.metrics.iter().enumerate();
    metrics.filter_map(move |(index, metric)| {
        if !rises(metric) || !was_had(file, instance, metric) {
            return None;
        }
        let seen = Seen {
            current: true,
            now: None,
            contexts: &none,
        };
        let at = instance.at + metric.at;
        if metric.octaves.is_none() {
            let before = before.map_or(0, |before| before[at]);
            let risen = Value::Counter(now[at].saturating_sub(before));
            return Some((index, metric, risen));
        }
        let Some(before) = before else {
            let whole = decode(now, instance, index, metric, &mut parts, seen);
            return Some((index, metric, whole));
        };
        // The first of its words is the count.
        if before[at] == now[at] {
            return None;
        }
        let before = decode(before, instance, index, metric, &mut { parts }, seen);
        let now = decode(now, instance, index, metric, &mut parts, seen);
        Some((index, metric, since(now, &before)?))
    })
}

/// What a value has more than an earlier one of the same kind; `None` of kinds that do not rise.
fn since(now: Value, before: &Value) -> Option<Value> {
    match (now, before) {
        (Value::Counter(now), Value::Counter(before)) => {
            Some(Value::Counter(now.saturating_sub(*before)))
        }
        (Value::Timer(now), Value::Timer(before)) => {
            Some(Value::Timer(Box::new(now.since(before))))
        }
        (Value::Percentile(now), Value::Percentile(before)) => {
            Some(Value::Percentile(Box::new(now.since(before))))
        }
        _ => None,
    }
}
