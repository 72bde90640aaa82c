//! A file has one writer: what counts for one thread cannot be lent to another.
use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
}

/// As `std::thread::Scope::spawn` asks for it. (What the compiler shows of std's own source depends on whether
/// that is installed.)
fn spawn(_work: impl FnOnce() + Send) {}

fn count(web: &Web) {
    spawn(|| web.requests.inc());
}

fn main() {
    Web::local(count);
}
