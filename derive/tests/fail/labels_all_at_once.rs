use mmstats::{Counter, Groups, MmLabels, MmStats};

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
#[mmstats(name = "routes")]
struct Route {
    #[mmstats(key = "a b")]
    space: u16,
    #[mmstats(key = "")]
    empty: u16,
    #[mmstats(key = "a=\"b\"")]
    signs: u16,
    #[mmstats(key = 7)]
    number: u16,
    #[mmstats(label = "x")]
    label: u16,
    #[mmstats(key = "space2")]
    first: u16,
    space2: u16,
}

#[derive(MmStats)]
struct Web {
    routes: Groups<Handler, Route>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

fn main() {
    Web::local(|_| ());
}
