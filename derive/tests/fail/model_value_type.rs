use mmstats::{Constant, Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    #[mmstats(value = "1.4.2")]
    version: Constant<u64>,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
