//! A measurement that `local` has begun does not leave it, not in a future either.
use mmstats::{MmStats, Timer};

#[derive(MmStats)]
struct Web {
    response_time: Timer,
}

async fn fetch() {}

fn main() {
    let _task = Web::local(|s| async {
        let _timing = s.response_time.start();
        fetch().await;
    });
}
