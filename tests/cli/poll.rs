//! `mmstats poll` against a writer that counts after each line.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{BIN, Db, child, db, first, mmstats, text_of};
use mmstats::{Average, Errors, MmStats, Percentile, Summary};

/// A poll that runs until it is dropped.
struct Polling {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Polling {
    /// Polls a root; returns after the first line, when there is something to compare with.
    fn start(arguments: &[&str], root: &Path) -> Polling {
        let mut child = Command::new(BIN)
            .args(["poll", "--json", "-d", "0.05"])
            .args(arguments)
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut polling = Polling { child, lines };
        polling.line();
        polling
    }

    fn line(&mut self) -> Value {
        let line = self.lines.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Returns the sum of the increases of the counter of `Db`, over as many lines as it takes to reach `wanted`, and
    /// two more.
    fn sum(&mut self, wanted: u64) -> u64 {
        let mut sum = 0;
        let mut left = 2;
        while left > 0 {
            let stat = &self.line()["models"]["Db"]["stats"]["queries"];
            assert!(
                stat["rate"].as_f64().is_none_or(|rate| rate >= 0.0),
                "{stat}"
            );
            sum += stat["risen"].as_u64().unwrap_or(0);
            assert!(sum <= wanted, "{sum} of {wanted}");
            left -= u32::from(sum == wanted);
        }
        sum
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn nothing_is_counted_twice_or_lost_while_files_come_and_go() {
    let root = TempDir::new().unwrap();
    let stats = db(root.path());
    stats.queries.add(1_000_000);
    let other = db(root.path());
    other.queries.add(50);
    let mut polling = Polling::start(&["queries"], root.path());
    stats.queries.add(7_000);
    assert_eq!(polling.sum(7_000), 7_000);
    // A file that is removed does not reduce the rate of the others.
    drop(stats);
    other.queries.add(3);
    assert_eq!(polling.sum(3), 3);
    let new = db(root.path());
    new.queries.add(11);
    assert_eq!(polling.sum(11), 11);
    // The last files are removed: there is nothing, and then there is a file again.
    drop((other, new));
    polling.line();
    let again = db(root.path());
    again.queries.add(5);
    assert_eq!(polling.sum(5), 5);
}

/// Processes that are killed, folded and removed between two lines.
#[test]
fn processes_that_die_are_counted_once_whatever_becomes_of_their_files() {
    const NAME: &str = "poll::processes_that_die_are_counted_once_whatever_becomes_of_their_files";
    if child::is_child(NAME) {
        Db::local(|s| s.queries.add(7));
        // SAFETY: this process.
        unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) };
    }
    let root = TempDir::new().unwrap();
    let live = db(root.path());
    live.queries.add(100);
    let mut polling = Polling::start(&["queries"], root.path());
    let clean = |arguments: &[&str]| {
        let output = mmstats()
            .arg("clean")
            .args(arguments)
            .arg(root.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    for _ in 0..3 {
        child::command(NAME, root.path()).output().unwrap();
        assert_eq!(polling.sum(7), 7);
        clean(&["--fold"]);
        assert_eq!(polling.sum(0), 0, "folded: what it had was counted before");
    }
    // It may be folded before it was ever read: then it counts through the retired file.
    child::command(NAME, root.path()).output().unwrap();
    clean(&["--fold"]);
    live.queries.add(4);
    assert_eq!(polling.sum(11), 11);
    child::command(NAME, root.path()).output().unwrap();
    assert_eq!(polling.sum(7), 7);
    clean(&[]);
    live.queries.add(2);
    assert_eq!(polling.sum(2), 2);
}

#[derive(MmStats)]
struct Floats {
    ratio: Percentile<f64>,
}

#[test]
fn a_percentile_of_floats_has_a_rate_and_the_percentiles_of_the_interval() {
    let root = TempDir::new().unwrap();
    let stats = Floats::builder().path(root.path()).create().unwrap();
    stats.ratio.record(-1000.0);
    let mut polling = Polling::start(&["ratio"], root.path());
    stats.ratio.record(0.5);
    let stat = loop {
        let stat = polling.line()["models"]["Floats"]["stats"]["ratio"].clone();
        if stat["count"] != 0 {
            break stat;
        }
    };
    assert_eq!((&stat["count"], &stat["mean"]), (&1.into(), &0.5.into()));
    assert!(stat["rate"].as_f64().unwrap() > 0.0, "{stat}");
    let titles = mmstats()
        .args(["poll", "-c", "1", "-d", "0.01", "ratio"])
        .arg(root.path())
        .output()
        .unwrap();
    let titles = String::from_utf8_lossy(&titles.stdout).into_owned();
    for title in ["ratio/s", "ratio.p50", "ratio.p99"] {
        assert!(titles.contains(title), "{titles}");
    }
}

#[test]
fn percentiles_and_rates_are_those_of_the_interval() {
    let root = TempDir::new().unwrap();
    let stats = first(root.path());
    for _ in 0..1000 {
        stats.body_size.record(100);
    }
    let mut polling = Polling::start(&["body_size"], root.path());
    stats.body_size.record(8_000);
    let stat = loop {
        let stat = polling.line()["models"]["my-app"]["stats"]["body_size"].clone();
        if stat["count"] != 0 {
            break stat;
        }
    };
    assert_eq!(
        (&stat["kind"], &stat["count"]),
        (&"percentile".into(), &1.into())
    );
    let p50 = stat["percentiles"]["50"].as_u64().unwrap();
    assert!((7_900..8_100).contains(&p50), "{stat}");
    assert!(stat["rate"].as_f64().unwrap() > 0.0);
}

/// Returns the lines without the time of day, which is the first column.
fn without_times(lines: &str) -> String {
    let cut = |line: &str| {
        let time = &line[..8];
        let is_time =
            time == "time    " || (time.as_bytes()[2] == b':' && time.as_bytes()[5] == b':');
        assert!(is_time, "{line}");
        line[10..].to_owned() + "\n"
    };
    lines.lines().map(cut).collect()
}

#[test]
fn columns_are_what_a_kind_has_to_say() {
    let root = TempDir::new().unwrap();
    let _stats = first(root.path());
    let fields =
        "requests,in_flight,temp*,release,ready,pool.open,index.*,body_size.Percentile95th";
    let output = mmstats()
        .args(["poll", "-c", "3", "-d", "0.01", "-n", "2", fields])
        .arg(root.path())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    insta::assert_snapshot!("poll", without_times(&text_of(&output.stdout)));
    let output = mmstats()
        .args([
            "poll",
            "-c",
            "1",
            "-d",
            "0.01",
            "-p",
            "index.",
            "--per-file",
            "response_ok",
        ])
        .args(["-f", "release=1.4.1", "-f", "temperature"])
        .arg(root.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(
        without_times(&shown).starts_with("response_ok/s  file\n            0  /"),
        "{output:?}"
    );
}

#[test]
fn means_and_errors_are_those_of_the_interval() {
    let root = TempDir::new().unwrap();
    let stats = Loads::builder().path(root.path()).create().unwrap();
    stats.load.record(100.0);
    stats.mean.record(100.0);
    stats.errors.note("before", "");
    let mut polling = Polling::start(&["*"], root.path());
    stats.load.record(2.0);
    stats.mean.record(4.0);
    stats.errors.note("now", "");
    // Each value is taken when it appears: a line may be printed between two of them.
    let (mut load, mut mean, mut errors) = (Value::Null, Value::Null, Value::Null);
    while load.is_null() || mean.is_null() || errors.is_null() {
        let line = polling.line();
        let stats = &line["models"]["Loads"]["stats"];
        for (label, count, seen) in [
            ("load", "count", &mut load),
            ("mean", "count", &mut mean),
            ("errors", "all", &mut errors),
        ] {
            if stats[label][count].as_u64() > Some(0) {
                *seen = stats[label].clone();
            }
        }
    }
    assert_eq!((&load["count"], &load["mean"]), (&1.into(), &2.0.into()));
    assert!(
        load["max"].is_null() && load["rate"].as_f64() > Some(0.0),
        "{load}"
    );
    assert_eq!((&mean["count"], &mean["value"]), (&1.into(), &4.0.into()));
    assert_eq!(errors["all"], 1);
    assert_eq!(errors["distinct"][0]["name"], "now");
    drop(polling);
    let output = mmstats()
        .args(["poll", "-c", "1", "-d", "0.01", "load,mean,errors"])
        .arg(root.path())
        .output()
        .unwrap();
    let shown = without_times(&text_of(&output.stdout));
    let words: Vec<_> = shown.split_whitespace().collect();
    let title = ["load/s", "load.Mean", "mean/s", "mean", "errors/s"];
    assert_eq!(
        words,
        [title, ["0", "-", "0", "-", "0"]].concat(),
        "{output:?}"
    );
}

#[derive(MmStats)]
struct Loads {
    load: Summary,
    mean: Average,
    errors: Errors,
}

#[test]
fn files_that_do_not_pass_do_not_count() {
    let root = TempDir::new().unwrap();
    let (stats, other) = (first(root.path()), first(root.path()));
    other.release.set("2.0");
    let mut polling = Polling::start(&["-f", "release=2.0", "requests"], root.path());
    stats.requests.add(1_000);
    other.requests.add(4);
    let risen = loop {
        let line = polling.line();
        let stat = &line["models"]["my-app"]["stats"]["requests"];
        assert_eq!(stat["value"].as_u64().map(|n| n >= 1_000), Some(false));
        match stat["risen"].as_u64() {
            Some(risen @ 1..) => break risen,
            _ => continue,
        }
    };
    assert_eq!(risen, 4);
}

#[test]
fn a_field_that_nobody_has_is_named_with_some_that_are_there() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    let output = mmstats()
        .args(["poll", "querys"])
        .arg(root.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(
        said.contains("no label matches \"querys\": there are queries"),
        "{said}"
    );
    for wrong in [&["poll", "-d", "0", "x"][..], &["poll", "-c", "0", "x"]] {
        let output = mmstats().args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_closed_pipe_is_a_clean_end() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    let mut child = Command::new(BIN)
        .args(["poll", "-d", "0.01", "queries"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

/// Starts a child that counts until its file is cut short or it is killed.
fn service(name: &str, root: &Path) -> Child {
    let mut child = child::command(name, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its file exists once it prints this.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));
    child
}

fn serve() {
    Db::local(|s| s.queries.add(7));
    println!("ready");
    // Until it is killed.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Starts a poll with the output for people.
fn watched(root: &Path, fields: &str) -> Child {
    Command::new(BIN)
        .args(["poll", "-d", "0.05", fields])
        .arg(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_file_that_goes_bad_is_named_and_is_exit_code_1() {
    const NAME: &str = "poll::a_file_that_goes_bad_is_named_and_is_exit_code_1";
    if child::is_child(NAME) {
        return serve();
    }
    let root = TempDir::new().unwrap();
    let mut service = service(NAME, root.path());
    let mut poll = Command::new(BIN)
        .args(["poll", "-d", "0.05", "-c", "40", "queries"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(poll.stdout.take().unwrap()).lines();
    lines.nth(1).unwrap().unwrap();
    let file = std::fs::read_dir(root.path().join("Db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("mmstats-")
        })
        .unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(100)
        .unwrap();
    lines.for_each(drop);
    let output = poll.wait_with_output().unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    let said = text_of(&output.stderr);
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn the_end_of_a_process_is_told() {
    const NAME: &str = "poll::the_end_of_a_process_is_told";
    if child::is_child(NAME) {
        return serve();
    }
    let root = TempDir::new().unwrap();
    let mut service = service(NAME, root.path());
    let pid = service.id();
    let mut poll = watched(root.path(), "queries");
    BufReader::new(poll.stdout.as_mut().unwrap()).lines().nth(1);
    service.kill().unwrap();
    service.wait().unwrap();
    let said = BufReader::new(poll.stderr.as_mut().unwrap()).lines().next();
    poll.kill().unwrap();
    poll.wait().unwrap();
    let said = said.unwrap().unwrap();
    assert!(said.contains(&format!("process {pid} has ended")), "{said}");
}

#[test]
fn lines_fit_the_width_and_columns_without_a_place_are_named() {
    let root = TempDir::new().unwrap();
    let _stats = first(root.path());
    let poll = |fields: &[&str]| {
        let output = mmstats()
            .env("COLUMNS", "60")
            .args(["poll", "-c", "2", "-d", "0.01"])
            .args(fields)
            .arg(root.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let shown = text_of(&output.stdout);
        assert!(
            shown.lines().all(|line| line.chars().count() <= 60),
            "{shown}"
        );
        (shown, text_of(&output.stderr))
    };
    let (shown, said) = poll(&["*"]);
    assert!(shown.starts_with("time "), "{shown}");
    assert!(
        said.contains("too narrow for") && said.contains("release"),
        "{said}"
    );
    // No fields named: the fields that count come first.
    let (shown, said) = poll(&[]);
    let titles = shown.lines().next().unwrap();
    assert!(
        titles.contains("body_size/s") && said.is_empty(),
        "{shown}{said}"
    );
}
