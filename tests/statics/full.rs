//! Statics in a file that has no space for them.

use std::thread;
use std::time::Duration;

use mmstats::{SharedCounter, SharedGauge, SharedPercentile, SharedTimer};

use super::{child, snapshot};

/// As if the program had a static for each of these.
fn labels(n: usize) -> &'static [(&'static str, &'static str)] {
    Box::leak(Box::new([("user", &*n.to_string().leak())]))
}

fn name(text: &str, n: usize) -> &'static str {
    format!("{text}{n}").leak()
}

#[test]
fn each_kind_counts_under_an_other_of_its_own() {
    const NAME: &str = "full::each_kind_counts_under_an_other_of_its_own";
    const STATICS: usize = 300;
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(child::command(NAME, root.path()).env("MMSTATS_MAX_SIZE", "65536"));
        return;
    }
    let write = |n: usize| {
        SharedCounter::new("full", "hits").labels(labels(n)).inc();
        SharedCounter::new("full", name("c", n)).inc();
        SharedGauge::<f64>::new("full", "load")
            .labels(labels(n))
            .add(0.5);
        SharedGauge::<f64>::new("full", name("l", n)).add(0.5);
        SharedTimer::new("full", name("t", n)).record(Duration::from_millis(1));
        SharedPercentile::<u64>::new("full", name("p", n)).record(1);
        SharedPercentile::<f64>::new("full", name("f", n)).record(1.0);
    };
    // These names exist before the files are full. (A name that comes later has no `_other` of its own.)
    SharedGauge::<f64>::new("full", "load")
        .labels(labels(0))
        .add(0.0);
    // The first kind without space uses the plain name `_other`.
    let gauge = |n| SharedGauge::<i64>::new("full", name("g", n)).add(1);
    (0..2 * STATICS).for_each(gauge);
    for _ in 0..2 {
        thread::spawn(move || (0..STATICS).for_each(write))
            .join()
            .unwrap();
    }
    let snapshot = snapshot();
    let series = snapshot.model("full").unwrap().series();
    let sum = |of: &dyn Fn(&str) -> bool| {
        let series = series.iter().filter(|series| of(series.metric()));
        let value = |value: &mmstats::Value| value.count().map(|n| n as f64).or(value.as_f64());
        series
            .map(|series| value(series.value()).unwrap())
            .sum::<f64>()
    };
    let own = |metric: &str, first: &str| {
        let n = metric.strip_prefix(first);
        n.is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let all = 2.0 * STATICS as f64;
    assert_eq!(sum(&|metric| metric == "hits"), all);
    assert_eq!(sum(&|metric| metric == "load"), 0.5 * all);
    for (first, other, each) in [
        ("g", "_other", 1.0),
        ("c", "_other.counter", 1.0),
        ("l", "_other.float_gauge", 0.5),
        ("t", "_other.timer", 1.0),
        ("p", "_other.percentile", 1.0),
        ("f", "_other.float_percentile", 1.0),
    ] {
        let total = sum(&|metric| own(metric, first) || metric == other);
        assert_eq!(total, each * all, "{other}");
        assert!(sum(&|metric| metric == other) > 0.0, "{other}");
    }
    // The cause is reported once for both files and all metrics.
    let status = mmstats::status();
    let full = status.models().iter().find(|model| model.name() == "full");
    let problems = full.unwrap().problems().iter();
    let refused = problems.filter(|problem| problem.contains("new metrics count under"));
    assert_eq!(refused.count(), 1, "{status:?}");
}
