//! A file has one writer: what counts for one thread cannot be lent to another.
use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
}

fn count(web: &Web) {
    std::thread::scope(|scope| {
        scope.spawn(|| web.requests.inc());
    });
}

fn main() {
    Web::local(count);
}
