use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(merge = "max")]
    requests: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
