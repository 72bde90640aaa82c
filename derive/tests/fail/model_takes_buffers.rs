use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(buffers = 4)]
    requests: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
