use mmstats::{Counter, Groups, MmLabels, MmStats};

#[derive(MmLabels, Clone)]
struct Route {
    handler: &'static str,
}

#[derive(MmStats)]
struct Web {
    routes: Groups<Handler, Plain>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Plain {
    handler: &'static str,
}

fn main() {}
