use mmstats::{Counter, MmStats};

#[derive(MmStats)]
enum Web {
    Requests(Counter),
}

fn main() {
    Web::local(|_| ());
}
