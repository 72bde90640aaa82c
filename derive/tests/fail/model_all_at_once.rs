//! Many mistakes: each is reported, and what uses the model is not a mistake too.
use mmstats::{Constant, Counter, Groups, MmStats, Timer};

#[derive(MmStats)]
#[mmstats(name = "my/app", color = "red")]
struct Web {
    #[mmstats(label = "errors")]
    requests: Counter,
    errors: Counter,
    #[mmstats(digits = 9, digits = 2, unit = 7)]
    time: Timer,
    version: Constant<u64>,
    #[mmstats(prefix)]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

fn main() -> Result<(), mmstats::Error> {
    Web::local(|s| s.requests.inc());
    let web = Web::create()?;
    web.handlers.group("index").requests.inc();
    web.time.time(|| ());
    let anonymous = Web::builder().anonymous().create()?;
    anonymous.errors.inc();
    Ok(())
}
