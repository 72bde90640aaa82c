//! An object store with lazy proxies, whose statistics are whole over all processes: see README.md beside this file.
//!
//! `cargo run --release --example store`: a coordinator and four workers, of which two are killed; then the table of what
//! all of them did. `--redis URL` (feature `push`): objects in Redis. `--bench`: what the statistics cost.

#![allow(
    dead_code,
    reason = "the scenario does not use all that a store can do; the tests do"
)]

pub mod bench;
pub mod cache;
pub mod connector;
pub mod error;
pub mod factory;
pub mod key;
pub mod operators;
pub mod proxy;
pub mod registry;
pub mod scenario;
pub mod serializer;
pub mod stats;
pub mod store;

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

/// This program as a worker.
fn worker(place: &str) -> std::io::Result<std::process::Command> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--worker", place]);
    Ok(command)
}
