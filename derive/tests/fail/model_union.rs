use mmstats::MmStats;

#[derive(MmStats)]
union Web {
    requests: u64,
}

fn main() {
    Web::local(|_| ());
}
