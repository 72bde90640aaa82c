//! The layer for `tracing`: events, spans, errors.

use std::cell::Cell;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mmstats::Value;
use tracing::{Instrument, debug, error, info, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use super::process::{fork, wait_well};
use super::{child, snapshot};

/// Returns whether this is the child, with the layer installed; the parent runs the child.
fn is_child(name: &str) -> bool {
    if child::is_child(name) {
        let layer = mmstats::tracing::layer().with_labels(["route", "status"]);
        tracing_subscriber::registry().with(layer).init();
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    false
}

fn root() -> PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

fn get(label: &str) -> Option<Value> {
    snapshot(&root()).get("tracing", label).cloned()
}

fn count(label: &str) -> Option<u64> {
    get(label)?.as_u64()
}

/// Returns count, minimum and maximum of a timer.
fn times(label: &str) -> Option<(u64, Duration, Duration)> {
    let value = get(label)?;
    let times = value.as_distribution()?;
    let nanos = |n: Option<u64>| Duration::from_nanos(n.unwrap());
    Some((times.count(), nanos(times.min()), nanos(times.max())))
}

/// Works for at least this long.
fn work(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn events_are_counted_by_level_and_target() {
    if !is_child("spans::events_are_counted_by_level_and_target") {
        return;
    }
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in 0..100 {
                    info!(target: "app::db", n, "selected");
                    debug!(target: "app::db", n);
                }
                info!(target: "app\"\u{1}", "odd");
            });
        }
    });
    assert_eq!(
        count("events{level=\"INFO\",target=\"app::db\"}"),
        Some(200)
    );
    assert_eq!(
        count("events{level=\"DEBUG\",target=\"app::db\"}"),
        Some(200)
    );
    assert_eq!(count("events{level=\"INFO\",target=\"app\\\"_\"}"), Some(2));
    assert!(get("errors").is_none());
}

#[test]
fn spans_are_timed_also_across_awaits() {
    if !is_child("spans::spans_are_timed_also_across_awaits") {
        return;
    }
    const STEP: Duration = Duration::from_millis(2);
    // Ready at its third poll; each poll works, and time passes between polls.
    let mut polls = 0;
    let future = std::future::poll_fn(|_| {
        polls += 1;
        work(STEP);
        if polls < 3 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    });
    {
        let mut future = pin!(future.instrument(info_span!("load")));
        while future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
        {
            work(4 * STEP);
        }
    }
    let (count, busy, _) = times("span_busy{span=\"load\"}").unwrap();
    let (_, total, _) = times("span_total{span=\"load\"}").unwrap();
    assert_eq!(count, 1);
    assert!(
        busy >= 3 * STEP && total >= busy + 7 * STEP,
        "{busy:?} of {total:?}"
    );
    // Entered twice at once, by clones on two threads: the time counts once.
    let span = info_span!("both");
    let inner = span.clone();
    span.in_scope(|| {
        thread::spawn(move || inner.in_scope(|| work(STEP)))
            .join()
            .unwrap()
    });
    drop(span);
    let (_, busy, _) = times("span_busy{span=\"both\"}").unwrap();
    let (count, total, _) = times("span_total{span=\"both\"}").unwrap();
    assert_eq!(count, 1);
    assert!(busy >= STEP && busy <= total, "{busy:?} of {total:?}");
    // Never entered.
    drop(info_span!("idle"));
    assert_eq!(times("span_busy{span=\"idle\"}").unwrap().2, Duration::ZERO);
}

#[test]
fn fields_become_labels_where_that_was_asked_for() {
    if !is_child("spans::fields_become_labels_where_that_was_asked_for") {
        return;
    }
    for n in 0..3 {
        let span = info_span!(
            "request",
            route = "/",
            other = n,
            status = tracing::field::Empty
        );
        span.in_scope(|| ());
        span.record("status", 200 + n / 2);
    }
    info_span!("request").in_scope(|| ());
    let of = |labels: &str| times(&format!("span_total{{{labels}}}")).unwrap().0;
    assert_eq!(of("route=\"/\",span=\"request\",status=\"200\""), 2);
    assert_eq!(of("route=\"/\",span=\"request\",status=\"201\""), 1);
    assert_eq!(of("span=\"request\""), 1);
}

#[test]
fn times_of_spans_have_the_id_of_their_trace() {
    const NAME: &str = "spans::times_of_spans_have_the_id_of_their_trace";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    // Like the layer of OpenTelemetry: only some spans have an id.
    let layer = mmstats::tracing::layer().with_trace_id(|id, dispatch| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let is_traced = registry.span(id)?.name() == "traced";
        is_traced.then(|| "4bf92f".to_owned())
    });
    tracing_subscriber::registry().with(layer).init();
    info_span!("traced").in_scope(|| ());
    info_span!("alone").in_scope(|| ());
    let traces = |label: &str| -> Vec<String> {
        let value = get(label).unwrap();
        let exemplars = value.as_distribution().unwrap().exemplars();
        exemplars
            .map(|one| one.context().unwrap().text().into_owned())
            .collect()
    };
    for metric in ["span_busy", "span_total"] {
        assert_eq!(traces(&format!("{metric}{{span=\"traced\"}}")), ["4bf92f"]);
        assert_eq!(traces(&format!("{metric}{{span=\"alone\"}}")), [""; 0]);
    }
}

#[test]
fn errors_are_kept_with_the_path_of_their_spans() {
    if !is_child("spans::errors_are_kept_with_the_path_of_their_spans") {
        return;
    }
    let fails = |n: u32| {
        let error = "three hundred".parse::<u8>().unwrap_err();
        let error: &dyn std::error::Error = &error;
        error!(target: "app::db", error, "cannot load");
        error!(target: "app::db", n, "cannot save");
    };
    info_span!("request\n").in_scope(|| info_span!("load").in_scope(|| fails(1)));
    fails(1);
    info_span!("request").in_scope(|| info_span!("save").in_scope(|| fails(1)));
    let Some(Value::Errors(errors)) = get("errors") else {
        panic!("no errors");
    };
    assert_eq!(errors.all(), 6);
    let found: Vec<_> = (errors.distinct().iter())
        .map(|error| {
            let context = error.context().map(|context| context.text().into_owned());
            (
                error.name().to_owned(),
                error.message().to_owned(),
                error.count(),
                context,
            )
        })
        .collect();
    let context = Some("request:save".to_owned());
    let expected = [
        (
            "ParseIntError",
            "cannot load error=invalid digit found in string",
        ),
        ("app::db", "cannot save n=1"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (name, message) in expected {
        let entry = (name.to_owned(), message.to_owned(), 3, context.clone());
        assert!(found.contains(&entry), "{entry:?} in {found:?}");
    }
    assert_eq!(count("events{level=\"ERROR\",target=\"app::db\"}"), Some(6));
}

#[test]
fn beyond_the_most_spans_count_under_other() {
    if !is_child("spans::beyond_the_most_spans_count_under_other") {
        return;
    }
    for n in 0..6000 {
        drop(info_span!("request", route = n));
    }
    let snapshot = snapshot(&root());
    let series = snapshot.model("tracing").unwrap().series().len();
    assert_eq!(series, 2 * 4001);
    let other = times("span_busy{span=\"_other\"}").unwrap().0;
    assert_eq!(other, 2000);
}

#[test]
fn a_full_file_counts_under_other_and_errors_still_count() {
    const NAME: &str = "spans::a_full_file_counts_under_other_and_errors_still_count";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(child::command(NAME, root.path()).env("MMSTATS_MAX_SIZE", "65536"));
        return;
    }
    let layer = mmstats::tracing::layer().with_labels(["route"]);
    tracing_subscriber::registry().with(layer).init();
    info!(target: "first", "of its level");
    for n in 0..500 {
        drop(info_span!("request", route = n));
        info!(target: "later", "one target");
    }
    // The log is not created before this.
    (0..3).for_each(|_| error!(target: "later", "failed"));
    let snapshot = snapshot(&root());
    let series = snapshot.model("tracing").unwrap().series().iter();
    let sum = |metric: &str| {
        let series = series.clone();
        let series = series.filter(|series| series.metric() == metric);
        let count = |value: Value| value.as_u64().or(value.count()).unwrap();
        series
            .map(|series| count(series.value().clone()))
            .sum::<u64>()
    };
    assert_eq!(sum("span_busy"), 500);
    assert_eq!(sum("span_total"), 500);
    assert_eq!(sum("events"), 504);
    assert_eq!(sum("errors"), 3);
    assert!(times("span_busy{span=\"_other\"}").unwrap().0 > 400);
}

#[test]
fn in_a_fork_a_teardown_and_an_exit() {
    if !is_child("spans::in_a_fork_a_teardown_and_an_exit") {
        return;
    }
    static RAN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn late() {
        // Not a span: at the end of a thread, the registry of tracing-subscriber is already gone.
        error!(target: "late", "at the end");
        RAN.fetch_add(1, Ordering::Relaxed);
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            late();
        }
    }
    thread_local! {
        static EARLY: Cell<Option<Late>> = const { Cell::new(None) };
    }
    info!(target: "all", "before");
    wait_well(fork(|| {
        info!(target: "all", "in the child");
        assert_eq!(count("events{level=\"INFO\",target=\"all\"}"), Some(2));
        // SAFETY: runs the exit handlers, which remove the files.
        unsafe { libc::exit(0) }
    }));
    assert_eq!(count("events{level=\"INFO\",target=\"all\"}"), Some(1));
    for _ in 0..10 {
        thread::spawn(|| {
            EARLY.set(Some(Late));
            late();
        })
        .join()
        .unwrap();
    }
    assert_eq!(RAN.load(Ordering::Relaxed), 20);
    // SAFETY: the function is never unloaded.
    unsafe { libc::atexit(late) };
    std::process::exit(0);
}
