//! The binary: what it prints about files that this process writes.

#![cfg(feature = "cli")]

#[path = "cli/check.rs"]
mod check;
#[allow(dead_code, reason = "these children are not talked to")]
#[path = "writer/child.rs"]
mod child;
#[cfg(all(feature = "push", feature = "serve"))]
#[path = "cli/configurations.rs"]
mod configurations;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/endings.rs"]
mod endings;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/finding.rs"]
mod finding;
#[path = "cli/history.rs"]
mod history;
#[path = "cli/json.rs"]
mod json;
#[path = "cli/links.rs"]
mod links;
#[path = "cli/manual.rs"]
mod manual;
#[path = "cli/names.rs"]
mod names;
#[path = "cli/old.rs"]
mod old;
#[path = "cli/picture.rs"]
mod picture;
#[path = "cli/poll.rs"]
mod poll;
#[path = "cli/screen.rs"]
mod screen;
#[path = "cli/summaries.rs"]
mod summaries;
#[path = "cli/text.rs"]
mod text;
#[path = "cli/top.rs"]
mod top;

use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use mmstats::{
    Compound, Constant, Counter, Flag, Gauge, Groups, MmStats, MmValue, Percentile, Stats, Text,
    Timer, UpDown,
};
use serde_json::Value;

#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    requests: Counter,
    in_flight: UpDown,
    temperature: Gauge<f64>,
    level: Gauge<i64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    #[mmstats(value = 80)]
    port: Constant<u16>,
    #[mmstats(value = "x86")]
    machine: Constant<&'static str>,
    #[mmstats(value = true)]
    debug: Constant<bool>,
    db: Db,
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Db {
    queries: Counter,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u64,
    share: f64,
    by_size: [u32; 4],
}

const BIN: &str = env!("CARGO_BIN_EXE_mmstats");

/// The binary, in an environment that names no root.
fn mmstats() -> Command {
    let mut command = Command::new(BIN);
    for name in [
        "MMSTATS_PATH",
        "MMSTATS_KEEP",
        "MMSTATS_DISABLE",
        "MMSTATS_GLOB",
        "XDG_RUNTIME_DIR",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command.timeout(Duration::from_secs(60));
    command
}

fn show_json(arguments: &[&str], paths: &[&Path]) -> Value {
    let output = mmstats()
        .args(["show", "--json"])
        .args(arguments)
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

fn web(root: &Path) -> Stats<Web> {
    Web::builder().path(root).create().unwrap()
}

fn db(root: &Path) -> Stats<Db> {
    Db::builder().path(root).create().unwrap()
}

fn path_of<T>(stats: &Stats<T>) -> PathBuf {
    stats.path().unwrap()
}

/// Creates a file of this process with a value of every kind.
fn first(root: &Path) -> Stats<Web> {
    let web = web(root);
    web.requests.add(7);
    web.in_flight.add(5);
    web.temperature.set(36.6);
    web.level.set(-2);
    web.body_size.record(512);
    web.pool.set(Pool {
        open: 3,
        share: 0.5,
        by_size: [1, 2, 3, 4],
    });
    web.release.set("1.4.1");
    web.db.queries.add(2);
    web.handlers.group("index").response_ok.inc();
    web.handlers
        .group("index")
        .response_time
        .record(Duration::from_millis(10));
    web
}

/// Creates another file, on another thread.
fn second(root: &Path) -> Stats<Web> {
    let root = root.to_owned();
    let write = move || {
        let web = web(&root);
        web.requests.add(u64::MAX >> 1);
        web.in_flight.add(-8);
        web.temperature.set(0.25);
        web.pool.set(Pool {
            open: u64::MAX,
            share: f64::NAN,
            by_size: [10, 0, 0, u32::MAX],
        });
        web.release.set("1.4.2");
        web.ready.set(true);
        web.handlers
            .group("login")
            .response_time
            .record(Duration::from_nanos(1_500_000_001));
        web.handlers
            .group("login")
            .response_time
            .record(Duration::from_nanos(500_000_000));
        web
    };
    std::thread::spawn(write).join().unwrap()
}
