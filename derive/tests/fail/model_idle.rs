use mmstats::{Counter, Groups, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(idle = "10m")]
    requests: Counter,
    #[mmstats(idle = "10m")]
    good: Groups<Handler>,
}

#[derive(MmStats)]
struct Other {
    #[mmstats(idle = 10)]
    no_text: Groups<Handler>,
    #[mmstats(idle = "999ms")]
    too_short: Groups<Handler>,
    #[mmstats(idle = "169h")]
    too_long: Groups<Handler>,
    #[mmstats(idle = "168h")]
    good: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

fn main() {}
