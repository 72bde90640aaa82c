//! `mmstats history`, `mmstats errors`, and how `mmstats show` shows them.

use mmstats::{Errors, History, MmStats, Summary};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{child, mmstats, show_json};

#[derive(MmStats)]
#[mmstats(name = "tasks")]
struct Tasks {
    task: Summary,
    times: History<3>,
    errors: Errors,
}

fn tasks(root: &TempDir) -> mmstats::Stats<Tasks> {
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.times.push(1.0);
    tasks.times.push(f64::NAN);
    tasks.times.push_with(2.5, "nightly\x1b[31m\nrun");
    tasks.times.push(-1e300);
    for _ in 0..2 {
        tasks.errors.record(&"x".parse::<u8>().unwrap_err());
    }
    tasks.errors.note("timeout", "host:abc\nport:1");
    tasks
}

/// Returns the output of the command, and whether it succeeded.
fn run(arguments: &[&str], root: &TempDir) -> (String, bool) {
    let output = mmstats().args(arguments).arg(root.path()).output().unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

fn run_json(arguments: &[&str], root: &TempDir) -> Value {
    let (text, success) = run(arguments, root);
    assert!(success);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn show_has_the_entries_and_the_errors() {
    let root = TempDir::new().unwrap();
    let _tasks = tasks(&root);
    let stats = &show_json(&[], &[root.path()])["models"]["tasks"]["stats"];
    let times = &stats["times"];
    assert_eq!(times["kind"], "history");
    let field = |name: &str| -> Vec<Value> {
        let entries = times["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry[name].clone()).collect()
    };
    assert_eq!(field("value"), [json!(-1e300), json!(2.5), Value::Null]);
    let ids = field("context_id");
    assert_eq!((&ids[0], &ids[2]), (&json!(""), &json!("")));
    assert_eq!(ids[1].as_str().unwrap().len(), 32);
    assert!(
        field("timestamp")
            .iter()
            .all(|time| time.as_f64().unwrap() > 1.7e9)
    );
    let errors = &stats["errors"];
    assert_eq!(errors["kind"], "errors");
    assert_eq!(
        (&errors["all"], &errors["overflow"]),
        (&json!(3), &json!(0))
    );
    let [parse, timeout] = &errors["distinct"].as_array().unwrap()[..] else {
        panic!("two")
    };
    assert_eq!(parse["name"], "EXC:ParseIntError");
    assert_eq!(parse["type"], "ParseIntError");
    assert_eq!(parse["message"], "invalid digit found in string");
    assert_eq!(
        (&parse["count"], &parse["sources"]),
        (&json!(2), &json!([]))
    );
    assert_eq!(
        (&timeout["name"], &timeout["count"]),
        (&json!("timeout"), &json!(1))
    );
    assert!(timeout.get("message").is_none());

    let (text, _) = run(&["show", "--per-file"], &root);
    for line in [
        "times ",
        "errors__all ",
        "errors__EXC:ParseIntError ",
        "errors__timeout ",
    ] {
        assert!(text.contains(&format!("\n  {line}")), "{line}\n{text}");
    }
    assert!(
        text.contains("=> 3 values, the last -1e300 of 20"),
        "{text}"
    );
}

#[test]
fn a_history_is_shown_with_its_contexts() {
    let root = TempDir::new().unwrap();
    let _tasks = tasks(&root);
    let (text, success) = run(&["history", "times"], &root);
    assert!(success);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], "tasks: the last 3 of 4 values");
    assert!(lines[1].ends_with("-1e300"), "{text}");
    assert!(lines[2].ends_with(r"2.5  nightly\u{1b}[31m\nrun"), "{text}");
    assert!(lines[3].ends_with("NaN"), "{text}");
    let shown = run_json(&["history", "--json", "times"], &root);
    let entries = &shown["histories"][0]["entries"];
    assert_eq!(
        entries[1]["context"],
        json!({"text": "nightly\x1b[31m\nrun", "cut": false})
    );
    assert_eq!(entries[0]["context"], Value::Null);
    assert_eq!(shown["histories"][0]["model"], "tasks");
    assert_eq!(
        run(&["history", "task"], &root),
        (String::new(), false),
        "a summary"
    );
}

#[test]
fn errors_are_shown_with_causes_and_contexts() {
    let root = TempDir::new().unwrap();
    let _tasks = tasks(&root);
    let (text, success) = run(&["errors"], &root);
    assert!(success);
    assert!(text.starts_with("tasks: errors: 3 in all\n"), "{text}");
    for part in [
        "\n  2×  EXC:ParseIntError: invalid digit found in string\n",
        "\n      at tests/cli/history.rs:",
        "\n  1×  timeout\n",
        "\n      | host:abc\n      | port:1\n",
    ] {
        assert!(text.contains(part), "{part:?}\n{text}");
    }
    let shown = run_json(&["errors", "--json"], &root);
    let log = &shown["logs"][0];
    assert_eq!(
        (&log["model"], &log["label"]),
        (&json!("tasks"), &json!("errors"))
    );
    let mut contexts: Vec<_> = log["distinct"].as_array().unwrap().iter().collect();
    contexts.retain(|error| error["name"] == "timeout");
    assert_eq!(contexts[0]["context"]["text"], "host:abc\nport:1");
    // Without files there is nothing to report, so the command fails.
    let empty = TempDir::new().unwrap();
    assert!(!run(&["errors"], &empty).1, "but there are no files");
}

#[test]
fn a_backtrace_is_shown_only_if_it_is_asked_for() {
    const NAME: &str = "history::a_backtrace_is_shown_only_if_it_is_asked_for";
    let root = TempDir::new().unwrap();
    if !child::is_child(NAME) {
        let mut command = child::command(NAME, root.path());
        child::run(command.env("RUST_BACKTRACE", "1"));
        return;
    }
    let _tasks = tasks(&root);
    let context = |arguments: &[&str]| {
        let shown = run_json(arguments, &root);
        let distinct = shown["logs"][0]["distinct"].as_array().unwrap().clone();
        let error = |error: &&Value| error["name"] == "EXC:ParseIntError";
        distinct.iter().find(error).unwrap()["context"].clone()
    };
    assert_eq!(context(&["errors", "--json"]), Value::Null);
    assert!(context(&["errors", "--json", "--backtrace"])["text"].is_string());
    let (plain, _) = run(&["errors"], &root);
    let (asked, _) = run(&["errors", "--backtrace"], &root);
    assert!(!plain.contains("\n      |   "), "{plain}");
    assert!(
        plain.contains("\n      | host:abc\n"),
        "a note's context stays"
    );
    assert!(asked.contains("\n      |   "), "{asked}");
}

#[test]
fn evicted_messages_are_said_by_errors_and_check() {
    let root = TempDir::new().unwrap();
    let tasks = tasks(&root);
    let check = || run(&["check"], &root).0;
    assert!(!check().contains("evicted"));
    for number in 0..300 {
        tasks.errors.note(&format!("note {number}"), "");
    }
    let warning = "tasks: 46 messages were evicted from errors: ";
    let found: Vec<_> = check()
        .lines()
        .filter(|line| line.contains(warning))
        .map(str::to_owned)
        .collect();
    assert_eq!(found.len(), 1, "{}", check());
    let shown = run_json(&["errors", "--json"], &root);
    let log = &shown["logs"][0];
    assert_eq!((&log["evicted"], &log["all"]), (&json!(46), &json!(303)));
    let sites = log["sites"].as_array().unwrap();
    let error = |site: &&Value| site["name"] == "EXC:ParseIntError";
    assert_eq!(sites.iter().find(error).unwrap()["count"], 2);
    assert_eq!(
        show_json(&[], &[root.path()])["models"]["tasks"]["stats"]["errors"]["evicted"],
        46
    );
    let (text, _) = run(&["errors"], &root);
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "tasks: errors: 303 in all, 47 of them not listed, 46 messages evicted"
    );
    // The first message is no longer listed, but still counted.
    assert!(!text.contains("EXC:ParseIntError: invalid"), "{text}");
    assert!(
        text.contains("\n      2×  EXC:ParseIntError at tests/cli/history.rs:"),
        "{text}"
    );
}
