use mmstats::{Gauge, MmStats};

#[derive(MmStats)]
struct Web {
    level: Gauge<String>,
    size: Gauge<usize>,
}

fn main() {
    Web::local(|_| ());
}
