use mmstats::{Gauge, MmStats, Timer};

#[derive(MmStats)]
struct Web {
    #[mmstats(digits = 0)]
    none: Timer,
    #[mmstats(digits = 6)]
    many: Timer,
    #[mmstats(digits = -1)]
    negative: Timer,
    #[mmstats(buffers = 1)]
    one: Timer,
    #[mmstats(buffers = 3)]
    three: Timer,
    #[mmstats(buffers = 128)]
    more: Timer,
    #[mmstats(merge = "avg")]
    level: Gauge<f64>,
}

fn main() {
    Web::local(|s| s.level.set(1.0));
}
