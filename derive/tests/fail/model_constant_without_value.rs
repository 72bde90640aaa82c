use mmstats::{Constant, Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    version: Constant<u64>,
    /// With another attribute.
    #[mmstats(label = "build.number")]
    build: mmstats::Constant<u64>,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
