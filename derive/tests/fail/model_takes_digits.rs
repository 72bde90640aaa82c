use mmstats::{Counter, Gauge, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(digits = 3)]
    requests: Counter,
    #[mmstats(digits = 3)]
    level: Gauge<f64>,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
