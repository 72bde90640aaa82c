//! Look-ups across a snapshot: histories and the contexts that they refer to.

use std::collections::BTreeMap;

use super::snapshot::Snapshot;
use crate::metric::Value;
use crate::metric::context::Context;
use crate::metric::history::{HistoryEntry, HistoryValue};

impl Snapshot {
    /// The history under this label, or under `<label>.history`.
    pub fn history(&self, model: &str, label: &str) -> Option<&HistoryValue> {
        let at = |label: &str| self.get(model, label).and_then(Value::as_history);
        at(label).or_else(|| at(&format!("{label}.history")))
    }

    /// The contexts with these ids, by id; of an id that no entry refers to there is none.
    ///
    /// Computes the id of every context in the snapshot, at the first call.
    pub fn contexts<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<&'a str, &'a Context> {
        let all: BTreeMap<&str, &Context> = (self.iter())
            .flat_map(|(_, _, value)| value.as_history())
            .flat_map(|history| history.entries())
            .filter_map(HistoryEntry::context)
            .map(|context| (context.id(), context))
            .collect();
        ids.into_iter()
            .filter_map(|id| Some((id, *all.get(id)?)))
            .collect()
    }
}
