use mmstats::MmStats;

#[derive(MmStats)]
struct Web;

fn main() {
    Web::local(|_| ());
}
