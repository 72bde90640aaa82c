use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    errors: u64,
    names: Vec<String>,
    shared: std::sync::Arc<Counter>,
    db: Db,
}

struct Db {
    queries: Counter,
}

fn main() {
    Web::local(|s| {
        s.requests.inc();
        s.db.queries.inc();
    });
}
