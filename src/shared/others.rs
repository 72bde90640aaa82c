//! `_other`: what metrics count under when their file has no space for them.
//!
//! A metric with labels then counts under its own name, and the value of each label is `_other`. The space for that
//! is kept aside when the first metric of the name is made. A metric without labels, or with a name that is new when
//! the file is full, counts under the name `_other`. The space for one of each kind is kept aside when the file is
//! made. So readers find everything that was counted. A cell of `_other` is like any other cell: a write does not
//! know of it.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::home::Spec;
use crate::format::labels::Labels;
use crate::metric::field::Field;
use crate::writer::{Lasts, SharedMetric, Writer};
use crate::{Counter, Error, Errors, Gauge, Percentile, Timer};

/// The `_other` metrics of a file, for which there is space. They never end, because many metrics count there.
#[derive(Default)]
pub struct Others(RefCell<BTreeMap<Key, Option<*const ()>>>);

// SAFETY: the cells are those of a `Writer`, which is `Send`, and a thread that has one has the other: they are
// together in a `ThreadFile` or a `ProcessFile`.
unsafe impl Send for Others {}

/// Identifies an `_other` metric: the type of the cells, the label and the labels.
type Key = (TypeId, String, Labels);

/// Returns whether a metric was refused because its file has no space for it.
pub fn is_full(error: &Error) -> bool {
    matches!(error, Error::Full { .. } | Error::Io { .. })
}

/// A name that is as long as any `_other` metric's without labels.
const LONGEST: &str = "_other.float_percentile";

/// The help text of `_other` metrics without labels.
const HELP: &str = "Metrics for which the file had no space.";

impl Others {
    /// Makes those of a new file of a thread. Keeps aside the space for one of each kind.
    pub fn of_thread(file: &Writer) -> Others {
        keep::<Counter>(file);
        keep::<Timer>(file);
        keep::<Percentile>(file);
        keep::<Percentile<f64>>(file);
        keep::<Errors>(file);
        Others::default()
    }

    /// Makes those of a new file of a process, which has only gauges.
    pub fn of_process(file: &Writer) -> Others {
        keep::<Gauge<i64>>(file);
        keep::<Gauge<f64>>(file);
        Others::default()
    }

    /// Keeps aside the space for the `_other` of metrics with this name and labels of these keys, unless that was
    /// done already.
    pub fn keep<C: Field + 'static>(&self, file: &Writer, spec: &Spec) {
        let key = key::<C>(&spec.metric, &spec.other);
        if spec.other.is_empty() || self.0.borrow().contains_key(&key) {
            return;
        }
        if file.keep_aside::<C>(of_its_name(spec)).is_ok() {
            self.0.borrow_mut().insert(key, None);
        }
    }

    /// Returns the cell of a metric that is `_other` itself.
    pub fn own<C: Field + 'static>(
        &self,
        file: &'static Writer,
        spec: &Spec,
    ) -> Result<&'static C, Error> {
        self.find_or_add(file, spec.labelled(), Lasts::Always)
    }

    /// Returns the cell in which a metric counts that has no space of its own.
    pub fn instead_of<C: Field + 'static>(
        &self,
        file: &'static Writer,
        spec: &Spec,
    ) -> Result<&'static C, Error> {
        let key = key::<C>(&spec.metric, &spec.other);
        if !spec.other.is_empty() && self.0.borrow().contains_key(&key) {
            match self.find_or_add(file, of_its_name(spec), Lasts::InKeptSpace) {
                // Another kind has these labels, under the same name.
                Err(Error::DuplicateLabel { .. }) => {}
                found => return found,
            }
        }
        if TypeId::of::<C>() == TypeId::of::<Errors>() {
            // A file has one error log, so the space that was kept is its own.
            return self.find_or_add(file, spec.labelled(), Lasts::InKeptSpace);
        }
        let nameless = SharedMetric {
            label: &spec.home.other(spec.kind),
            labels: &Labels::new(),
            unit: "",
            help: HELP,
        };
        self.find_or_add(file, nameless, Lasts::InKeptSpace)
    }

    fn find_or_add<C: Field + 'static>(
        &self,
        file: &'static Writer,
        metric: SharedMetric<'_>,
        lasts: Lasts,
    ) -> Result<&'static C, Error> {
        let key = key::<C>(metric.label, metric.labels);
        let known = self.0.borrow().get(&key).copied();
        let lasts = match known {
            // SAFETY: entered below, as a `C` that is never freed.
            Some(Some(cell)) => return Ok(unsafe { &*cell.cast::<C>() }),
            Some(None) => Lasts::InKeptSpace,
            None => lasts,
        };
        let (cell, _) = file.add_labelled::<C>(metric, lasts)?;
        let entry = Some(std::ptr::from_ref(cell).cast());
        self.0.borrow_mut().insert(key, entry);
        Ok(cell)
    }
}

fn of_its_name(spec: &Spec) -> SharedMetric<'_> {
    SharedMetric {
        labels: &spec.other,
        ..spec.labelled()
    }
}

fn key<C: 'static>(label: &str, labels: &Labels) -> Key {
    let mut labels = labels.clone();
    labels.sort();
    (TypeId::of::<C>(), label.to_owned(), labels)
}

/// Keeps aside the space for one `_other` metric without labels, as far as there is space: a new file may have less
/// than that.
fn keep<C: Field + 'static>(file: &Writer) {
    let _ = file.keep_aside::<C>(SharedMetric {
        label: LONGEST,
        labels: &Labels::new(),
        unit: "",
        help: HELP,
    });
}
