//! `_other`: what counts where a file has no space for a metric of its own.
//!
//! A metric with labels counts under its own name then, and each label is `_other`; the space for that is kept when the
//! first metric of the name comes. One without labels, or of a name that came when the file was full, counts under the
//! name `_other`; the space for one of each kind is kept when the file is made. So readers find all that was counted. A
//! cell that is `_other` is a cell as any other: a write knows nothing of it.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::home::Spec;
use crate::format::labels::Labels;
use crate::metric::field::Field;
use crate::writer::{Lasts, SharedMetric, Writer};
use crate::{Counter, Error, Errors, Gauge, Percentile, Timer};

/// Those of a file, for which there is space. They never end: what counts there is of many metrics.
#[derive(Default)]
pub struct Others(RefCell<BTreeMap<Key, Option<*const ()>>>);

// SAFETY: the cells are those of a `Writer`, which is `Send`, and who has one has the other: they are together in a
// `ThreadFile` or a `ProcessFile`.
unsafe impl Send for Others {}

/// What it is: the type of the cells, label and labels.
type Key = (TypeId, String, Labels);

/// Whether a metric is refused because its file has no space for it.
pub fn is_full(error: &Error) -> bool {
    matches!(error, Error::Full { .. } | Error::Io { .. })
}

/// A label that is as long as any of those without labels.
const LONGEST: &str = "_other.float_percentile";

/// The help text of those without labels.
const HELP: &str = "Metrics for which their file had no space.";

impl Others {
    /// Those of a new file of a thread. Keeps the space for one of each kind.
    pub fn of_thread(file: &Writer) -> Others {
        keep::<Counter>(file);
        keep::<Timer>(file);
        keep::<Percentile>(file);
        keep::<Percentile<f64>>(file);
        keep::<Errors>(file);
        Others::default()
    }

    /// Those of a new file of a process, in which there are gauges.
    pub fn of_process(file: &Writer) -> Others {
        keep::<Gauge<i64>>(file);
        keep::<Gauge<f64>>(file);
        Others::default()
    }

    /// Keeps the space for what metrics of this name and with labels of these keys count under, if it is not there yet.
    pub fn keep<C: Field + 'static>(&self, file: &Writer, spec: &Spec) {
        let key = key::<C>(&spec.metric, &spec.other);
        if spec.other.is_empty() || self.0.borrow().contains_key(&key) {
            return;
        }
        if file.keep_aside::<C>(of_its_name(spec)).is_ok() {
            self.0.borrow_mut().insert(key, None);
        }
    }

    /// The cell of a metric that is `_other` itself.
    pub fn own<C: Field + 'static>(
        &self,
        file: &'static Writer,
        spec: &Spec,
    ) -> Result<&'static C, Error> {
        self.find_or_add(file, spec.labelled(), Lasts::Always)
    }

    /// The cell that a metric counts in for which there is no space.
    pub fn instead_of<C: Field + 'static>(
        &self,
        file: &'static Writer,
        spec: &Spec,
    ) -> Result<&'static C, Error> {
        let key = key::<C>(&spec.metric, &spec.other);
        if !spec.other.is_empty() && self.0.borrow().contains_key(&key) {
            match self.find_or_add(file, of_its_name(spec), Lasts::InKeptSpace) {
                // Labels that another kind has, under the same name.
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

/// As far as there is space: a new file may have less than that.
fn keep<C: Field + 'static>(file: &Writer) {
    let _ = file.keep_aside::<C>(SharedMetric {
        label: LONGEST,
        labels: &Labels::new(),
        unit: "",
        help: HELP,
    });
}
