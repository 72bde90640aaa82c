//! Histories, contexts and errors: from the handle to the reader.

// Other tests need more of it.
#[allow(dead_code)]
#[path = "writer/child.rs"]
mod child;
#[path = "history/contexts.rs"]
mod contexts;
#[path = "history/errors.rs"]
mod errors;
#[path = "history/evicted.rs"]
mod evicted;
#[path = "history/labelled.rs"]
mod labelled;
#[path = "history/races.rs"]
mod races;
#[path = "history/ring.rs"]
mod ring;

use std::path::Path;

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Counter, Errors, Groups, History, HistoryValue, MmStats};

#[derive(MmStats)]
#[mmstats(name = "tasks")]
struct Tasks {
    done: Counter,
    #[mmstats(unit = "seconds")]
    times: History<20>,
    by_name: Groups<Task>,
}

#[derive(MmStats)]
struct Task {
    times: History,
}

fn snapshot(root: &Path) -> Snapshot {
    let snapshot = Reader::open(root).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors(), []);
    snapshot
}

fn history<'a>(snapshot: &'a Snapshot, label: &str) -> &'a HistoryValue {
    snapshot.history("tasks", label).expect(label)
}

fn values(history: &HistoryValue) -> Vec<f64> {
    history
        .entries()
        .iter()
        .map(|entry| entry.value())
        .collect()
}

/// Returns context and value of each entry.
fn contexts_of(history: &HistoryValue) -> Vec<(String, f64)> {
    (history.entries().iter())
        .filter_map(|entry| Some((entry.context()?.text().into_owned(), entry.value())))
        .collect()
}
