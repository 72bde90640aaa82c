use mmstats::{Counter, Flag, MmStats, Timer};

#[derive(MmStats)]
struct Web {
    #[mmstats(unit = "milliseconds")]
    time: Timer,
    #[mmstats(unit = "switches")]
    ready: Flag,
    #[mmstats(unit = "queries")]
    db: Db,
}

#[derive(MmStats)]
struct Db {
    queries: Counter,
}

fn main() {
    Web::local(|s| s.ready.set(true));
}
