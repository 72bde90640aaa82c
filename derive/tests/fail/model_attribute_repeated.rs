use mmstats::{Counter, MmStats};

#[derive(MmStats)]
#[mmstats(name = "my-app", name = "app")]
struct Web {
    #[mmstats(unit = "requests")]
    #[mmstats(unit = "calls")]
    requests: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
