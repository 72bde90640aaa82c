//! Statistics in async code: a task moves between threads, but its statistics do not.
//!
//! ```sh
//! cargo run --example workers
//! ```
//!
//! - Each thread of the runtime has a file of its own, so a task looks up its model again after each `.await`.
//!   `Service::local` costs a load and a comparison.
//! - A `Stopwatch` moves with the task. The guard that `Timer::start` returns borrows the statistics of its thread;
//!   the compiler rejects a task that keeps it across an `.await` and may move.
//! - A value that goes up before an `.await` and down after it is an `UpDown`, because the two may happen on two
//!   threads.

use std::error::Error;
use std::sync::mpsc;
use std::thread;

use mmstats::reader::Reader;
use mmstats::{Counter, MmStats, Stopwatch, Timer, UpDown};

/// Requests of an async service.
#[derive(MmStats)]
#[mmstats(name = "async-service")]
struct Service {
    requests: Counter,
    in_flight: UpDown,
    response_time: Timer,
}

/// Handles a request. Returns whether it ended on another thread than the one it began on.
async fn handle(request: usize) -> bool {
    let first = thread::current().id();
    let watch = Stopwatch::start();
    Service::local(|s| s.in_flight.inc());
    answer(request).await;
    Service::local(|s| {
        s.in_flight.dec();
        s.requests.inc();
        s.response_time.record(watch.elapsed());
    });
    thread::current().id() != first
}

/// Every tenth request calls something that blocks. The runtime then gives the thread's tasks to another thread, and
/// this task continues there, too.
async fn answer(request: usize) {
    if request.is_multiple_of(10) {
        let (tell, told) = mpsc::channel();
        tokio::spawn(async move { tell.send(()) });
        // Blocks until another thread runs the tasks.
        tokio::task::block_in_place(|| told.recv()).expect("the task above runs");
    }
    tokio::task::yield_now().await;
}

/// What was counted.
#[derive(Debug, PartialEq)]
pub struct Counted {
    /// Requests that ended on another thread than they began on.
    pub moved: usize,
    /// `Service::requests`, over all threads.
    pub requests: Option<u64>,
    /// `Service::in_flight`.
    pub in_flight: Option<i64>,
    /// How many response times were recorded.
    pub response_times: Option<u64>,
}

/// Handles some requests, then reads what was counted as any other process could.
pub fn run(requests: usize) -> Result<Counted, Box<dyn Error>> {
    // One thread at a time, so that the example behaves the same every time; a service takes all of them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()?;
    let moved = runtime.block_on(async {
        let tasks: Vec<_> = (0..requests)
            .map(|request| tokio::spawn(handle(request)))
            .collect();
        let mut moved = 0;
        for task in tasks {
            moved += usize::from(task.await?);
        }
        Ok::<_, tokio::task::JoinError>(moved)
    })?;
    let snapshot = Reader::from_env()?.snapshot()?;
    let get = |label| snapshot.get("async-service", label);
    Ok(Counted {
        moved,
        requests: get("requests").and_then(|value| value.as_u64()),
        in_flight: get("in_flight").and_then(|value| value.as_i64()),
        response_times: get("response_time")
            .and_then(|value| value.as_distribution())
            .map(|times| times.count()),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:#?}", run(100)?);
    Ok(())
}
