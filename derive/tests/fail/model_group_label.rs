use mmstats::{Counter, Groups, MmLabels, MmStats};

#[derive(MmStats)]
struct Web {
    #[mmstats(group_label = "a b")]
    bad: Groups<Handler>,
    #[mmstats(group_label = handler)]
    path: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    handler: &'static str,
}

fn main() {
    Web::local(|_| ());
}
