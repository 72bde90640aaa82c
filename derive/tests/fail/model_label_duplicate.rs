use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    #[mmstats(label = "requests")]
    again: Counter,
    #[mmstats(label = "errors.all")]
    errors: Counter,
    #[mmstats(label = "errors.all")]
    failures: Counter,
    #[mmstats(label = "late")]
    early: Counter,
    late: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
