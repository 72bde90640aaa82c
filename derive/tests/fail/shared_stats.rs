//! A file has one writer: statistics are sent to another thread as a whole, not shared.
use std::sync::Arc;

use mmstats::{Counter, Errors, Groups, MmStats, Stats, Timer};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    response_time: Timer,
    errors: Errors,
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

/// As `std::thread::spawn` asks for it.
fn spawn(_work: impl FnOnce() + Send) {}

fn main() {
    let web: Arc<Stats<Web>> = Arc::new(Web::create().unwrap());
    spawn(move || web.requests.inc());
}
