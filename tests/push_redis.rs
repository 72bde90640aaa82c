//! Pushing to a real redis-server: what is in which key, and that nothing counts twice or is lost.

#[path = "writer/child.rs"]
#[allow(dead_code)]
mod child;
#[path = "push_redis/cluster.rs"]
mod cluster;
#[path = "push_redis/exactly_once.rs"]
mod exactly_once;
#[path = "push_redis/forgetful.rs"]
mod forgetful;
#[path = "push_redis/python.rs"]
mod python;
#[path = "push_redis/server.rs"]
mod server;
#[path = "push_redis/trouble.rs"]
mod trouble;
#[path = "push_redis/values.rs"]
mod values;

use std::path::Path;

use mmstats::push::redis::{Pushed, Pusher};
use mmstats::reader::{Per, Reader, Snapshot};
use mmstats::{Counter, Errors, History, MmStats, Percentile, Summary, Timer};

/// Statistics of a worker.
#[derive(MmStats)]
#[mmstats(name = "tasks")]
struct Tasks {
    load: Summary,
    requests: Counter,
    response: Timer,
    size: Percentile,
    errors: Errors,
    recent: History<8>,
}

fn snapshot(root: &Path) -> Snapshot {
    let mut reader = Reader::open(root).unwrap();
    reader.per(Per::File).snapshot().unwrap()
}

/// Pushes the current values, and asserts that all of them are accepted.
fn push(pusher: &mut Pusher, root: &Path) -> Pushed {
    let pushed = pusher.push(&[snapshot(root)]).unwrap();
    assert_eq!(pushed.problems(), [], "{:?}", pushed.problems());
    pushed
}
