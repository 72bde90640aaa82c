//! The scenario with real processes, as seen by the example, the binary and its exports.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::child;
use super::example::connector::MemoryConnector;
use super::example::key::Key;
use super::example::scenario;
use super::example::stats::{self, Operation};
use super::example::store::Store;
use super::screen::Screen;

const PLACE: &str = "STORE_PLACE";

#[test]
fn worker() {
    if child::is_child("scenario::worker") {
        scenario::work(&std::env::var(PLACE).unwrap()).unwrap();
    }
}

fn mmstats(arguments: &[&str], root: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mmstats"))
        .args(arguments)
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_see_what_the_workers_did() {
    if !child::is_child("scenario::all_see_what_the_workers_did") {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(
            "scenario::all_see_what_the_workers_did",
            root.path(),
        ));
        return;
    }
    let objects = tempfile::tempdir().unwrap();
    run_and_read(objects.path().to_str().unwrap());
}

#[cfg(feature = "push")]
#[test]
fn all_see_what_the_workers_did_with_redis() {
    const NAME: &str = "scenario::all_see_what_the_workers_did_with_redis";
    if child::is_child(NAME) {
        return run_and_read(&std::env::var(PLACE).unwrap());
    }
    let Some(server) = super::server::Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut command = child::command(NAME, root.path());
    command.env(PLACE, server.url());
    child::run(&mut command);
}

/// Runs the scenario with its objects in this place, and checks everything that reads its statistics.
fn run_and_read(place: &str) {
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let root = Path::new(&root);
    let calls = scenario::run(place, |place| {
        let mut command = child::command("scenario::worker", root);
        command.env(PLACE, place);
        Ok(command)
    })
    .unwrap();
    let mut read = BTreeMap::new();
    for (key, operations) in stats::all().unwrap() {
        for (operation, stats) in operations {
            read.insert((key.clone(), operation), stats.calls);
        }
    }
    assert_eq!(read, calls);
    scenario::print(&calls).unwrap();

    let json: serde_json::Value =
        serde_json::from_str(&mmstats(&["show", "--json"], root)).unwrap();
    let page = mmstats(&["export", "--format", "openmetrics"], root);
    assert_eq!(json["models"]["store"]["processes"], 5);
    #[cfg(feature = "serve")]
    let agent = super::agent::Agent::start(root, &[]);
    #[cfg(feature = "serve")]
    let served = agent.body("/metrics");
    for ((key, operation), calls) in &calls {
        use mmstats::MmLabelValue;
        let labels = format!("{{key=\"{key}\",operation=\"{}\"}}", operation.text());
        let stat = &json["models"]["store"]["stats"][format!("operation{labels}")];
        assert_eq!(stat["count"], *calls, "{labels} {stat}");
        let line = format!("store_operation_seconds_count{labels} {calls}\n");
        assert!(page.contains(&line), "{line}");
        #[cfg(feature = "serve")]
        assert!(served.contains(&line), "{line}");
    }
    top_shows(root, calls[&("input-0".to_owned(), Operation::Get)]);
}

/// `mmstats top` shows the row of one series: its calls so far, and the times of calls that are made meanwhile.
fn top_shows(root: &Path, calls: u64) {
    const LABEL: &str = r#"operation{key="input-0",operation="get"}"#;
    let mut screen = Screen::start(30, 200, "C.UTF-8", root);
    screen.until_shows("labels (");
    screen.press(&format!("/{LABEL}\r"));
    // Calls, rate, mean, p50 and p99. The line below the table also begins with the label.
    let row = |shown: &str| -> Option<Vec<String>> {
        let (_, cells) = shown.lines().find_map(|line| line.split_once(LABEL))?;
        Some(
            cells
                .split_whitespace()
                .take(5)
                .map(str::to_owned)
                .collect(),
        )
    };
    let before = [&calls.to_string(), "0", "-", "-", "-"];
    let is_before = |shown: &str| row(shown).is_some_and(|cells| cells == before);
    screen.until("the calls of the scenario", is_before);
    let builder = Store::builder("seen by top").with_stats(true);
    let store = builder.build(MemoryConnector::default()).unwrap();
    let key = Key::new("input-0").unwrap();
    let is_after = |shown: &str| row(shown).is_some_and(|cells| !cells.contains(&"-".to_owned()));
    let shown = screen.until_while("the times of the calls", is_after, || {
        store.get::<u64>(&key).unwrap();
    });
    let after: u64 = row(&shown).unwrap()[0].replace(',', "").parse().unwrap();
    assert!(after > calls, "{shown}");
    store.close();
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}
