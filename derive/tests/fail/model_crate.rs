use mmstats::{Counter, MmStats};

#[derive(MmStats)]
#[mmstats(crate = ::stats)]
struct Web {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(crate = "not a path")]
struct Db {
    queries: Counter,
}

fn main() {
    Db::local(|s| s.queries.inc());
}
