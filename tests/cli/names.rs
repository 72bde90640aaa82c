//! One set of names: the other commands accept the names that `show` prints.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use mmstats::{Counter, Errors, Groups, History, MmStats, Timer};
use tempfile::TempDir;

use super::{BIN, first, mmstats, text_of};

#[derive(MmStats)]
struct Named {
    #[mmstats(window = "24h")]
    recent: Counter,
    errors: Errors,
    times: History,
    time: Timer,
    tasks: Groups<Task>,
}

#[derive(MmStats)]
struct Task {
    done: Counter,
}

fn named(root: &TempDir) -> mmstats::Stats<Named> {
    let stats = Named::builder().path(root.path()).create().unwrap();
    stats.recent.add(72);
    stats.errors.note("timeout", "");
    stats.times.push(2.5);
    stats.times.push(3.5);
    stats.time.record(std::time::Duration::from_millis(9));
    stats.tasks.group("a,b").done.inc();
    stats
}

fn run(arguments: &[&str], root: &TempDir) -> Output {
    mmstats().args(arguments).arg(root.path()).output().unwrap()
}

#[test]
fn poll_prints_every_name_that_show_prints() {
    let root = TempDir::new().unwrap();
    let _stats = named(&root);
    let shown = text_of(&run(&["show", "--per-file"], &root).stdout);
    let names = shown.lines().skip(1).map(|line| line.trim_start());
    let names: Vec<_> = names
        .filter(|line| !line.starts_with("sys."))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    for name in [
        "recent",
        "recent.Rate",
        "errors__all",
        "errors__timeout",
        "times",
        "a,b.done",
    ] {
        assert!(names.contains(&name), "{name}\n{shown}");
    }
    for name in &names {
        let output = run(&["poll", "-c", "1", "-d", "0.01", name], &root);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {output:?}"
        );
        let output = run(&["show", "-l", name], &root);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {output:?}"
        );
    }
    // The window is not limited to the interval, in which nothing was counted.
    let fields = "recent.WindowCount,a,b.done,recent.Rate";
    let output = run(&["poll", "-c", "1", "-d", "0.01", fields], &root);
    let shown = text_of(&output.stdout);
    let cells: Vec<_> = shown
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .skip(1)
        .collect();
    assert_eq!((cells.len(), cells[0]), (3, "72"), "{output:?}");
    assert!(cells[2] != "-", "{output:?}");
}

#[test]
fn show_has_a_row_for_each_series_merged_and_in_units() {
    let root = TempDir::new().unwrap();
    let _stats = (first(root.path()), first(root.path()));
    let output = run(&["show"], &root);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    insta::assert_snapshot!("rows", text_of(&output.stdout));
    let output = run(
        &["show", "-l", "index.*", "-l", "body_size.Percentile99th"],
        &root,
    );
    insta::assert_snapshot!("rows_of_patterns", text_of(&output.stdout));
    let output = run(&["show", "-l", "nothing"], &root);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text_of(&output.stderr).contains("no label matches \"nothing\""),
        "{output:?}"
    );
}

#[test]
fn history_and_errors_say_what_they_have_where_a_name_has_none() {
    let root = TempDir::new().unwrap();
    let _stats = named(&root);
    for (arguments, said) in [
        (
            &["history", "nothing"][..],
            "no label matches \"nothing\"; labels with a history: times",
        ),
        (
            &["history", "recent"],
            "\"recent\" has no history: recent is of the kind counter",
        ),
        (&["errors", "-l", "recent"], "\"recent\" matches no errors"),
    ] {
        let output = run(arguments, &root);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text_of(&output.stderr).contains(said), "{output:?}");
    }
    assert!(
        text_of(&run(&["history", "tim*"], &root).stdout).starts_with("Named: the last 2 of 2")
    );
    let shown = text_of(&run(&["errors", "-l", "errors__timeout"], &root).stdout);
    assert!(shown.contains("timeout"), "{shown}");
}

#[test]
fn watching_repeats_until_nothing_reads_it() {
    let root = TempDir::new().unwrap();
    let _stats = first(root.path());
    let mut child = Command::new(BIN)
        .args(["show", "--watch", "0.02", "-l", "requests"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let rows = lines.by_ref().map(Result::unwrap);
    assert_eq!(
        rows.filter(|line| line.trim_start() == "requests  7")
            .take(3)
            .count(),
        3
    );
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

/// Nothing is written during the hour before the next reading.
#[test]
fn watching_ends_at_a_closed_pipe_before_the_next_reading() {
    let root = TempDir::new().unwrap();
    let _stats = first(root.path());
    let mut child = Command::new(BIN)
        .args(["show", "--watch", "3600"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    drop(lines);
    assert!(child.wait().unwrap().success());
}
