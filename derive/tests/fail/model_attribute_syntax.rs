use mmstats::{Constant, Counter, MmStats};

#[derive(MmStats)]
#[mmstats = "my-app"]
struct Web {
    #[mmstats]
    bare: Counter,
    #[mmstats(label)]
    flag: Counter,
    #[mmstats(label("x"))]
    list: Counter,
    #[mmstats(label = )]
    nothing: Counter,
    #[mmstats(unit = "s" label = "x")]
    comma: Counter,
    #[mmstats("label")]
    text: Counter,
    #[mmstats(label = "c" value = 1)]
    constant: Constant<u8>,
}

fn main() {
    Web::local(|s| s.bare.inc());
}
