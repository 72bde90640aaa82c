//! A measurement borrows the statistics of its thread: a task that keeps it across an `.await` cannot
//! move to another one. (What to write: see `TimerGuard`.)
use mmstats::{MmStats, Timer};

#[derive(MmStats)]
struct Web {
    response_time: Timer,
}

async fn fetch() {}

async fn handle(web: mmstats::Stats<Web>) {
    let timing = web.response_time.start();
    fetch().await;
    timing.stop();
}

/// As a runtime with many threads does.
fn spawn(_task: impl Future + Send) {}

fn main() {
    spawn(handle(Web::create().unwrap()));
}
