//! The wait after a failure.

use std::time::Duration;

use crate::sys::process::identity::random;

/// The first wait, about.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, about.
const MOST: Duration = Duration::from_secs(30);

/// Counts consecutive failures. Each wait is about twice as long as the one before it. Waits are partly random, so
/// that not all refused clients come back at the same moment.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts one more failure and returns the wait after it, which is never less than the other side asked for.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = MOST.min(FIRST.saturating_mul(1 << self.failures.min(16)));
        self.failures += 1;
        match asked {
            Some(asked) => asked + (asked / 10).min(MOST).max(FIRST / 10).mul_f64(fraction()),
            None => wait.mul_f64(0.5 + fraction()),
        }
    }
}

/// Returns a random number from 0 to below 1.
fn fraction() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_bounds() {
        let mut backoff = Backoff::default();
        for n in 0..100 {
            let wait = backoff.next(None).as_secs_f64();
            let about = 30f64.min(2f64.powi(n));
            assert!((about * 0.5..about * 1.5).contains(&wait), "{n}: {wait}");
        }
        backoff.reset();
        assert!(backoff.next(None) < Duration::from_millis(1500));
    }

    #[test]
    fn what_is_asked_for_is_the_least() {
        let mut backoff = Backoff::default();
        for seconds in [0, 1, 60, 3600] {
            let asked = Duration::from_secs(seconds);
            let wait = backoff.next(Some(asked));
            assert!(wait >= asked && wait <= asked + MOST, "{wait:?}");
        }
    }
}
