use mmstats::{Compound, Counter, Gauge, Groups, MmStats, MmValue, Timer};

const LABEL: &str = "requests";

#[derive(MmStats)]
#[mmstats(name = MyApp, crate = 3)]
struct Web {
    #[mmstats(label = LABEL)]
    requests: Counter,
    #[mmstats(label = concat!("a", "b"))]
    errors: Counter,
    #[mmstats(unit = 's')]
    waits: Counter,
    #[mmstats(digits = "2")]
    time: Timer,
    #[mmstats(buffers = 2.0)]
    pool: Compound<Pool>,
    #[mmstats(merge = max)]
    level: Gauge<f64>,
    #[mmstats(prefix = b"x")]
    groups: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool {
    open: u64,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
