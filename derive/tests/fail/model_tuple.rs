use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Web(Counter);

fn main() {
    Web::local(|_| ());
}
