use mmstats::{Counter, MmStats};

#[derive(MmStats)]
#[mmstats(nmae = "my-app")]
struct Web {
    #[mmstats(lable = "requests", unit = "requests")]
    requests: Counter,
    #[mmstats(skip)]
    errors: Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
