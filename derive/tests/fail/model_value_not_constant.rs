use mmstats::{Counter, Gauge, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(value = 7)]
    requests: Counter,
    #[mmstats(value = 7.5)]
    level: Gauge<f64>,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
