//! An object store with lazy proxies, whose statistics cover all processes: see README.md beside this file.
//!
//! `cargo run --release --example store` runs a coordinator and four workers, two of which are killed, and prints the
//! table of what all of them did. `--redis URL` (feature `push`) keeps objects in Redis. `--bench` measures what the
//! statistics cost.

#![allow(
    dead_code,
    reason = "the scenario does not use all that a store can do; the tests do"
)]

pub(crate) mod bench;
pub(crate) mod cache;
pub(crate) mod connector;
pub(crate) mod error;
pub(crate) mod factory;
pub(crate) mod key;
pub(crate) mod operators;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod scenario;
pub(crate) mod serializer;
pub(crate) mod stats;
pub(crate) mod store;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--bench", ..] => bench::run(),
        ["--worker", place] => scenario::work(place),
        [] => {
            let directory = std::env::temp_dir().join(format!("store-{}", std::process::id()));
            let run = scenario::run(&directory.to_string_lossy(), worker);
            std::fs::remove_dir_all(&directory)?;
            scenario::print(&run?)
        }
        ["--redis", url] => scenario::print(&scenario::run(url, worker)?),
        _ => Err("usage: store [--redis URL | --bench]".into()),
    }
}

/// Returns the command that runs this program as a worker.
fn worker(place: &str) -> std::io::Result<std::process::Command> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--worker", place]);
    Ok(command)
}
