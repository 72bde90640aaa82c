//! Two threads that each publish something and then look for the other's: a description, and the metric that it
//! describes.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::sync::told_before_looking_ordered;

use super::bounded;

/// Either the metric is made with its description, or the thread that describes it sees the metric.
fn one_sees_the_other(fence: Ordering) {
    let made = Arc::new(AtomicU64::new(0));
    let described = Arc::new(AtomicU64::new(0));
    let maker = thread::spawn({
        let (made, described) = (made.clone(), described.clone());
        move || {
            // Relaxed, as in the registry.
            made.store(1, Ordering::Relaxed);
            told_before_looking_ordered(fence);
            described.load(Ordering::Acquire)
        }
    });
    described.store(1, Ordering::Release);
    told_before_looking_ordered(fence);
    let saw_it = made.load(Ordering::Relaxed);
    let has_description = maker.join().unwrap();
    assert!(saw_it + has_description > 0, "neither saw the other");
}

#[test]
fn a_description_and_its_metric_do_not_miss_each_other() {
    bounded(|| one_sees_the_other(Ordering::SeqCst));
}

#[test]
#[should_panic(expected = "neither saw the other")]
fn with_a_weaker_fence_both_may_miss() {
    bounded(|| one_sees_the_other(Ordering::AcqRel));
}
