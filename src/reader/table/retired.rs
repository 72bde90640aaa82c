//! What the retired files of a model have, from one snapshot to the next.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::metric::Value;
use crate::metric::registry::kind;

/// Values that only rise, by cell and code of the kind.
pub(super) type Sums = BTreeMap<(u32, u16), Value>;
/// Those of files.
pub(super) type ByPath = HashMap<Arc<Path>, Sums>;

/// What the retired files have more than in the snapshot before.
#[derive(Debug, Default)]
pub(super) struct RetiredDeltas {
    /// What they had in the last snapshot.
    before: ByPath,
    /// What they have more.
    deltas: ByPath,
    /// Whether there is a last snapshot to compare with.
    compared: bool,
}

impl RetiredDeltas {
    /// Compares what they have `now` with what they had in the last snapshot. `of_gone` is what files had then that
    /// were folded into them since.
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

    /// What the retired file at this path has more, by cell and code of the kind.
    pub(super) fn deltas(&self, path: &Path) -> impl Iterator<Item = (&(u32, u16), &Value)> {
        self.deltas.get(path).into_iter().flatten()
    }
}
