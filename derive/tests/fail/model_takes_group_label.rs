use mmstats::{Counter, Groups, MmLabels, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(group_label = "handler")]
    requests: Counter,
    #[mmstats(group_label = "handler")]
    routes: Groups<Handler, Route>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    handler: &'static str,
}

fn main() {}
