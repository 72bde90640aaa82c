use mmstats::{Counter, Groups, MmStats};

#[derive(MmStats)]
struct Web {
    handlers: Groups<Handler>,
}

struct Handler {
    requests: Counter,
}

fn main() {
    Web::local(|_| ());
}
