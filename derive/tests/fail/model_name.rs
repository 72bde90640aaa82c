use mmstats::{Counter, MmStats};

#[derive(MmStats)]
#[mmstats(name = "")]
struct Empty {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "my/app")]
struct Slash {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "..")]
struct Parent {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = ".app")]
struct Hidden {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "my\0app")]
struct Nul {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "my\napp")]
struct Control {
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(
    name = "a-name-of-256-bytes---------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------"
)]
struct Long {
    requests: Counter,
}

fn main() {
    Empty::local(|s| s.requests.inc());
}
