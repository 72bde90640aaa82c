//! Async: runs the example of the documentation.

#[allow(dead_code, reason = "its main")]
#[path = "../../docs/examples/workers.rs"]
mod example;

use super::child;

#[test]
fn what_tasks_count_on_their_way_between_threads_is_all_there() {
    const NAME: &str = "tasks::what_tasks_count_on_their_way_between_threads_is_all_there";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let counted = example::run(100).unwrap();
    assert!(counted.moved >= 10, "{counted:?}");
    let counts = (counted.requests, counted.in_flight, counted.response_times);
    assert_eq!(counts, (Some(100), Some(0), Some(100)));
}
