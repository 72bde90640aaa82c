//! Statistics by name: each test runs in a process of its own, because the environment determines where they are
//! written.

use std::error::Error;
use std::fmt::{self, Write};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mmstats::{SummaryValue, push_stat, stats, stats_async};

use super::*;

/// Runs the rest of the test in a child; returns the root there.
macro_rules! in_child {
    ($name:literal $(, $variable:literal = $value:expr)*) => {{
        let name = concat!("labelled::", $name);
        if !child::is_child(name) {
            let root = tempfile::tempdir().unwrap();
            let mut command = child::command(name, root.path());
            $(command.env($variable, $value);)*
            child::run(&mut command);
            return;
        }
        PathBuf::from(std::env::var_os("MMSTATS_PATH").unwrap())
    }};
}

fn summary<'a>(snapshot: &'a Snapshot, label: &str) -> &'a SummaryValue {
    let value = snapshot.get("stats", label).expect(label);
    value.as_summary().expect("a summary")
}

fn of_errors(snapshot: &Snapshot, label: &str) -> Option<u64> {
    snapshot.get("stats", label)?.as_u64()
}

#[test]
fn a_label_has_its_summary_and_its_history() {
    let root = in_child!("a_label_has_its_summary_and_its_history");
    for (value, label) in [
        (1.5, "file:large.csv"),
        (2.5, "file:large.csv"),
        (7.0, "task"),
    ] {
        push_stat(label, value);
    }
    std::thread::spawn(|| push_stat("task", 8.0))
        .join()
        .unwrap();
    let snapshot = snapshot(&root);
    let labels: Vec<&str> = snapshot.labels("*").collect();
    assert_eq!(
        labels,
        [
            "errors",
            "file:large.csv",
            "file:large.csv.history",
            "task",
            "task.history"
        ]
    );
    let large = summary(&snapshot, "file:large.csv");
    assert_eq!((large.count(), large.mean()), (2, Some(2.0)));
    assert_eq!(summary(&snapshot, "task").count(), 2);
    assert_eq!(
        snapshot.get("stats", "task.Mean").and_then(|v| v.as_f64()),
        Some(7.5)
    );
    // By the label of the summary, or by that of the history.
    for label in ["file:large.csv", "file:large.csv.history"] {
        assert_eq!(
            values(snapshot.history("stats", label).unwrap()),
            [2.5, 1.5]
        );
    }
    assert!(snapshot.history("stats", "errors").is_none());
}

#[test]
fn the_namespace_is_the_model() {
    let root = in_child!(
        "the_namespace_is_the_model",
        "MMSTATS_NAMESPACE" = "AKA-STATS"
    );
    push_stat("task", 1.0);
    let snapshot = snapshot(&root);
    assert!(snapshot.get("AKA-STATS", "task").is_some());
    assert!(root.join("AKA-STATS").is_dir());
}

#[test]
fn what_a_scope_records_stays_when_it_fails() {
    let root = in_child!("what_a_scope_records_stays_when_it_fails");
    let passed: Result<(), _> = stats(|stat| {
        let mut laps = mmstats::laps();
        stat.record("url", laps.lap());
        stat.record("downloader", laps.total()).context("nightly");
        stat.record("downloader", 1.0)
            .context(&String::from("hourly"));
        stat.record("downloader", 1.0).context(&b"\xff"[..]);
        stat.error(&fmt::Error);
        "x".parse::<u8>()?;
        Ok(())
    });
    let error = passed.unwrap_err();
    assert!(error.is::<std::num::ParseIntError>());
    let seven: u8 = stats(|_| Ok("7".parse()?)).unwrap();
    assert_eq!(seven, 7);
    let snapshot = snapshot(&root);
    let times = snapshot.history("stats", "url").unwrap();
    assert!(times.entries()[0].value() >= 0.0 && times.entries()[0].context().is_none());
    let contexts: Vec<_> = (snapshot
        .history("stats", "downloader")
        .unwrap()
        .entries()
        .iter())
    .map(|entry| entry.context().unwrap().bytes())
    .collect();
    assert_eq!(contexts, [b"\xff", &b"hourly"[..], b"nightly"]);
    assert_eq!(of_errors(&snapshot, "errors__all"), Some(2));
    assert_eq!(of_errors(&snapshot, "errors__EXC:fmt::Error"), Some(1));
    // From a dyn Error, by the beginning of its Debug text.
    assert_eq!(of_errors(&snapshot, "errors__EXC:ParseIntError"), Some(1));
    let (_, errors) = snapshot.errors_of("stats").next().unwrap();
    for error in errors.distinct() {
        assert!(
            error.site().contains("tests/history/labelled.rs"),
            "{}",
            error.site()
        );
    }
}

#[test]
fn an_error_of_a_scope_is_called_as_its_type_or_its_known_cause() {
    use anyhow::Context as _;
    use std::io;

    let root = in_child!("an_error_of_a_scope_is_called_as_its_type_or_its_known_cause");
    let lost = || io::Error::from_raw_os_error(2);
    let _: Result<(), _> = stats(|_| Err(lost().into()));
    let _: Result<(), _> = stats(|_| Err(io::Error::other("secret").into()));
    let _: Result<(), _> = stats(|_| Err(fmt::Error.into()));
    // anyhow hides the type of the error that it was made from, but not its cause.
    let failed = Err::<(), _>(lost()).context("secret of alice");
    let _: Result<(), _> = stats(|_| Ok(failed?));
    let _: Result<(), _> = stats(|_| Err(anyhow::anyhow!("secret of bob").into()));
    let sent = stats_async(async |_| Err::<(), _>(lost().into()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(sent).poll(&mut context).is_ready());
    let snapshot = snapshot(&root);
    let (_, errors) = snapshot.errors_of("stats").next().unwrap();
    let names: Vec<_> = errors.sites().iter().map(|error| error.name()).collect();
    assert_eq!(
        names,
        [
            "dyn",
            "fmt::Error",
            "io::Error",
            "io::Error",
            "io::Error",
            "io::Error"
        ]
    );
}

#[test]
fn a_panic_that_passes_through_is_recorded_and_goes_on() {
    let root = in_child!("a_panic_that_passes_through_is_recorded_and_goes_on");
    for text in ["a str", "a String"] {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            stats(|stat| -> Result<(), Box<dyn Error>> {
                stat.record("before", 1.0);
                match text {
                    "a str" => panic!("a str"),
                    text => std::panic::panic_any(text.to_owned()),
                }
            })
        }));
        let panic = caught.unwrap_err();
        let of_str = panic.downcast_ref::<&str>().copied();
        let of_string = panic.downcast_ref::<String>().map(String::as_str);
        assert_eq!(of_str.or(of_string), Some(text));
    }
    let snapshot = snapshot(&root);
    assert_eq!(summary(&snapshot, "before").count(), 2);
    assert_eq!(of_errors(&snapshot, "errors__EXC:Panic"), Some(2));
    let (_, errors) = snapshot.errors_of("stats").next().unwrap();
    let messages: Vec<_> = errors
        .distinct()
        .iter()
        .map(|error| error.message())
        .collect();
    assert_eq!(messages, ["a String", "a str"]);
}

/// Polls a future until it is ready.
fn block_on<R>(future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return done;
        }
    }
}

/// Is pending once.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut paused, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
    .await;
}

#[test]
fn a_scope_spans_awaits_and_threads() {
    let root = in_child!("a_scope_spans_awaits_and_threads");
    let scope = stats_async(async |stat| {
        let mut laps = mmstats::laps();
        stat.record("first", laps.lap());
        pause().await;
        stat.record("second", laps.lap()).context("async");
        "x".parse::<u8>()?;
        Ok(())
    });
    // Sent to another thread.
    let passed = std::thread::scope(|threads| threads.spawn(|| block_on(scope)).join().unwrap());
    assert!(passed.unwrap_err().is::<std::num::ParseIntError>());
    let panicking = stats_async(async |_| -> Result<(), Box<dyn Error + Send + Sync>> {
        pause().await;
        panic!("in a future");
    });
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(panicking))).is_err());
    let snapshot = snapshot(&root);
    assert_eq!(summary(&snapshot, "first").count(), 1);
    assert_eq!(
        contexts_of(snapshot.history("stats", "second").unwrap()).len(),
        1
    );
    assert_eq!(of_errors(&snapshot, "errors__EXC:ParseIntError"), Some(1));
    assert_eq!(of_errors(&snapshot, "errors__EXC:Panic"), Some(1));
}

#[test]
fn more_labels_are_labels_beside_that_of_the_statistic() {
    let root = in_child!("more_labels_are_labels_beside_that_of_the_statistic");
    let long = "x".repeat(300);
    stats(|stat| {
        let labelled = stat.with(&[("oid", "a.b;c=\t"), ("host", "nl-ams")]);
        labelled.record("task", 1.0).context("nightly");
        labelled
            .with(&[("more", "1"), ("host", "x")])
            .record("task", 2.0);
        labelled.record(&long, 3.0);
        stat.record("task", 4.0);
        // Keys that have to be changed.
        stat.with(&[("label", "\""), ("a b", "")])
            .record("task", 5.0);
        Ok(())
    })
    .unwrap();
    let snapshot = snapshot(&root);
    let labels = |label: &str| format!(r#"{{host="nl-ams",label="{label}",oid="a.b;c=_"}}"#);
    for (label, value) in [
        (labels("task"), 1.0),
        (
            r#"{host="x",label="task",more="1",oid="a.b;c=_"}"#.to_owned(),
            2.0,
        ),
        (labels(&long), 3.0),
        ("task".to_owned(), 4.0),
        (
            r#"{a_b="",exported_label="\"",label="task"}"#.to_owned(),
            5.0,
        ),
    ] {
        assert_eq!(summary(&snapshot, &label).total(), value, "{label}");
    }
    let history = snapshot.history("stats", &format!("history{}", labels("task")));
    assert_eq!(contexts_of(history.unwrap()), [("nightly".to_owned(), 1.0)]);
}

/// Returns the peak memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    1024 * kilobytes.trim().parse::<u64>().unwrap()
}

#[test]
fn labels_that_cannot_be_and_a_million_count_under_other() {
    let root = in_child!("labels_that_cannot_be_and_a_million_count_under_other");
    let huge = "x".repeat(1 << 20);
    let bad = [
        "",
        "a\nb",
        "\u{1b}[31m",
        "\0",
        ".a",
        "a..b",
        &huge,
        "errors",
    ];
    for label in bad {
        push_stat(label, 1.0);
    }
    let push = |labels: std::ops::Range<u64>| {
        let mut label = String::new();
        for number in labels {
            label.clear();
            write!(label, "label {number}").unwrap();
            push_stat(&label, 1.0);
        }
    };
    let labels = 1_000_000;
    // More than the cap, so memory has reached its maximum.
    push(0..20_000);
    let before = peak();
    push(20_000..labels);
    let (after, here) = (peak(), snapshot(&root));
    assert!(after < before + (1 << 20), "{before} and then {after}");
    // The program itself, the pages of its file and the handles.
    assert!(before < 64 << 20, "{before}");
    println!("{before} bytes at most after 20,000 labels, {after} after {labels}");
    let counted = here
        .labels("label *")
        .filter(|label| !label.ends_with(".history"));
    let counted = counted.count() as u64;
    assert!((1_000..=10_000).contains(&counted), "{counted}");
    let other = summary(&here, "_other").count();
    assert_eq!(other, bad.len() as u64 + labels - counted);
    assert!(here.files()[0].bytes() <= 16 << 20);
    // The contexts of a full file, whatever they are, do not keep a value from being counted.
    stats(|stat| {
        for context in [&b""[..], b"\xff\xfe", b"\x1b]0;x\x07", huge.as_bytes()] {
            stat.record("label 0", 2.0).context(context);
        }
        Ok(())
    })
    .unwrap();
    let here = snapshot(&root);
    assert_eq!(summary(&here, "label 0").count(), 5);
}
