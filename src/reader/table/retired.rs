//! The values of the retired files of a model, from one snapshot to the next.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::metric::Value;
use crate::metric::registry::kind;

/// Values that only rise, by cell and kind code.
pub(super) type Sums = BTreeMap<(u32, u16), Value>;
/// The sums of files, by path.
pub(super) type ByPath = HashMap<Arc<Path>, Sums>;

/// The increase in the retired files since the previous snapshot.
#[derive(Debug, Default)]
pub(super) struct RetiredDeltas {
    /// Their values in the last snapshot.
    before: ByPath,
    /// The increase since then.
    deltas: ByPath,
    /// Whether there is a last snapshot to compare with.
    compared: bool,
}

impl RetiredDeltas {
    /// Compares their values `now` with those in the last snapshot. `of_gone` holds the values at that
    /// snapshot of the files that have been folded into them since.
    pub(super) fn compare(&mut self, now: ByPath, of_gone: &ByPath) {
        let first = !std::mem::replace(&mut self.compared, true);
        let before = std::mem::replace(&mut self.before, now);
        self.deltas.clear();
        if first {
            return;
        }
        for (path, now) in &self.before {
            let mut deltas = now.clone();
            for (&(cell, code), value) in &mut deltas {
                let Some(since) = kind(code).and_then(|kind| kind.since) else {
                    continue;
                };
                for known in [before.get(path), of_gone.get(path)].into_iter().flatten() {
                    if let Some(known) = known.get(&(cell, code)) {
                        since(value, known);
                    }
                }
            }
            self.deltas.insert(Arc::clone(path), deltas);
        }
    }

    /// Returns the increase in the retired file at this path, by cell and kind code.
    pub(super) fn deltas(&self, path: &Path) -> impl Iterator<Item = (&(u32, u16), &Value)> {
        self.deltas.get(path).into_iter().flatten()
    }
}
