//! What was counted between two snapshots: of each label what its files have more than before.
//!
//! It is added up file by file, so that no coming and going of files makes it negative or too large. A
//! file that has gone takes nothing away. One that is new counts whole if it was created since the last
//! snapshot; one that is older and was not there to be read counts from now on.
//!
//! When the totals of ended processes are kept, a file that goes leaves what it had to the retired file
//! of its model, in which it was not counted just now: that much is taken off what the retired file has
//! more than before.

use std::path::Path;

use super::plan::Metric;
use crate::metric::Value;
use crate::metric::kind::{Counts, code};

/// The name of the file that has the totals of the ended processes of a model.
const RETIRED: &[u8] = b"mmstats-retired";

/// Whether this file has the totals of ended processes.
pub fn is_retired(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    (path.file_name()).is_some_and(|name| name.as_bytes().starts_with(RETIRED))
}

/// Whether values of this metric only rise, so that there is something to say of an interval.
pub fn rises(metric: &Metric) -> bool {
    let code = metric.kind.code;
    metric.kind.counts == Counts::All
        && (code == code::COUNTER || code == code::TIMER || code == code::PERCENTILE)
}

/// What one label has risen by in one interval.
#[derive(Debug, Default)]
pub struct Risen {
    /// In the files of threads.
    counted: Option<Value>,
    /// In the retired file.
    retired: Option<Value>,
    /// What those files had at last that have gone.
    gone: Option<Value>,
}

/// In which part of [`Risen`] a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Counted,
    Retired,
    Gone,
}

impl Risen {
    /// Adds what one file has risen by.
    pub fn add(&mut self, part: Part, metric: &Metric, value: Value) {
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

    /// The sum of all files, and begins anew.
    pub fn take(&mut self, metric: &Metric) -> Value {
        let Risen {
            counted,
            retired,
            gone,
        } = std::mem::take(self);
        let retired = match (retired, gone) {
            (Some(retired), Some(gone)) => since(retired, &gone),
            (retired, _) => retired,
        };
        let mut sum = counted.unwrap_or_else(|| (metric.kind.none)(&metric.schema));
        if let Some(retired) = retired {
            (metric.kind.merge)(&mut sum, retired, &metric.schema, 1);
        }
        sum
    }
}

/// What a value has more than an earlier one of the same kind; `None` of kinds that do not rise.
pub fn since(now: Value, before: &Value) -> Option<Value> {
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
