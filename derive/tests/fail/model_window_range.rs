use mmstats::{MmStats, Summary};

#[derive(MmStats)]
struct Web {
    #[mmstats(window = "60")]
    no_unit: Summary,
    #[mmstats(window = 60)]
    no_text: Summary,
    #[mmstats(window = "999ms")]
    too_short: Summary,
    #[mmstats(window = "25h")]
    too_long: Summary,
    #[mmstats(window = "99999999999999999999s")]
    too_large: Summary,
    #[mmstats(window = "")]
    empty: Summary,
    #[mmstats(window = "24h")]
    good: Summary,
    #[mmstats(window = "1000ms")]
    good_too: Summary,
}

fn main() {}
