use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(prefix = "web.")]
    requests: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
