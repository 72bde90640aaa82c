//! Events counted and spans timed. `cargo run --example tracing --features tracing`
//!
//! With `-- --stay` it runs for a minute; meanwhile `mmstats show` in another terminal shows the same.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use tracing::{error, info, info_span};
use tracing_subscriber::prelude::*;

fn request(n: u32) {
    let _request = info_span!(
        "request",
        route = if n.is_multiple_of(2) { "/" } else { "/x" }
    )
    .entered();
    info!("received");
    let _load = info_span!("load").entered();
    if let Err(error) = "three hundred".parse::<u8>() {
        let error: &dyn std::error::Error = &error;
        error!(error, n, "cannot load");
    }
}

fn main() -> Result<(), mmstats::Error> {
    let layer = mmstats::tracing::layer().with_labels(["route"]);
    tracing_subscriber::registry().with(layer).init();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..100).for_each(request));
        }
    });
    for (model, label, value) in Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    // Time to look at the metrics with `mmstats`.
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
