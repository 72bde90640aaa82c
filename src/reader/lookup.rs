//! Look-ups across a snapshot: histories, errors and the contexts that they refer to.

use std::collections::BTreeMap;

use super::snapshot::{Model, Snapshot};
use crate::metric::Value;
use crate::metric::context::Context;
use crate::metric::errors::value::{DistinctError, ErrorsValue};
use crate::metric::history::value::{HistoryEntry, HistoryValue};

impl Snapshot {
    /// Returns the history under this label, or under `<label>.history`.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert_eq!(times.entries()[0].value(), 44.0); // the newest
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn history(&self, model: &str, label: &str) -> Option<&HistoryValue> {
        let at = |label: &str| self.get(model, label).and_then(Value::as_history);
        at(label).or_else(|| at(&format!("{label}.history")))
    }

    /// Returns the error logs of a model, with their labels: there may be several, or none.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let counts: Vec<_> = snapshot.errors_of("histories").map(|(label, errors)| (label, errors.all())).collect();
    /// assert_eq!(counts, [("errors", 7), ("no_errors", 0)]);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn errors_of(&self, model: &str) -> impl Iterator<Item = (&str, &ErrorsValue)> {
        let all = self.model(model).into_iter().flat_map(Model::series);
        all.filter_map(|series| Some((series.label(), series.value().as_errors()?)))
    }

    /// Returns the contexts with these ids, by id. An id that no entry refers to is left out.
    ///
    /// The first call computes the id of every context in the snapshot.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// let context = times.entries().iter().find_map(|entry| entry.context()).unwrap();
    /// assert_eq!(snapshot.contexts([context.id(), "nope"]).len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn contexts<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<&'a str, &'a Context> {
        let values = || self.iter().map(|(_, _, value)| value);
        let of_entries = (values().filter_map(Value::as_history))
            .flat_map(|history| history.entries())
            .filter_map(HistoryEntry::context);
        let of_errors = (values().filter_map(Value::as_errors))
            .flat_map(|errors| errors.distinct())
            .filter_map(DistinctError::context);
        let all: BTreeMap<&str, &Context> = of_entries
            .chain(of_errors)
            .map(|context| (context.id(), context))
            .collect();
        ids.into_iter()
            .filter_map(|id| Some((id, *all.get(id)?)))
            .collect()
    }
}
