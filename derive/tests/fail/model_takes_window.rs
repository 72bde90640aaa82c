use mmstats::{Counter, Groups, MmStats, Summary, Text};

#[derive(MmStats)]
struct Part {
    load: Summary,
}

#[derive(MmStats)]
struct Web {
    #[mmstats(window = "60s")]
    release: Text<8>,
    #[mmstats(window = "60s")]
    parts: Groups<Part>,
    #[mmstats(window = "60s")]
    part: Part,
    #[mmstats(window = "60s")]
    load: Summary,
    #[mmstats(window = "60s")]
    good: Counter,
}

fn main() {}
