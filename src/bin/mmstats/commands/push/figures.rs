//! The pusher's own metrics, so that `mmstats top` and `/metrics` watch it.

use std::time::{SystemTime, UNIX_EPOCH};

use mmstats::{Counter, Gauge, MmStats, Stats};

/// The results of a pusher of mmstats.
#[derive(MmStats)]
#[mmstats(name = "mmstats-push")]
pub struct Figures {
    /// Pushes that were accepted, at least in part.
    pushes: Counter,
    /// Pushes that failed; each attempt counts.
    failures: Counter,
    /// Points that were rejected for good; for Redis, labels that were refused, which are tried again.
    dropped: Counter,
    /// When a push was last accepted: seconds since 1970-01-01 UTC, and 0 before the first.
    #[mmstats(unit = "seconds")]
    last_success: Gauge<f64>,
}

impl Figures {
    /// Makes the file in the usual root of this user. If that fails, the values are not recorded, and the reason is
    /// reported.
    pub fn start() -> Option<Stats<Figures>> {
        let stats = Figures::builder().create();
        let problem = |error: &mmstats::Error| {
            log::warn!("the pusher's own metrics are not recorded: {error}");
        };
        stats.inspect_err(problem).ok()
    }

    /// Records the end of a push: whether it was accepted, and how many points were lost.
    pub fn record(&self, is_accepted: bool, dropped: u64) {
        self.dropped.add(dropped);
        if is_accepted {
            self.pushes.inc();
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            self.last_success.set(now.unwrap_or_default().as_secs_f64());
        } else {
            self.failures.inc();
        }
    }
}
