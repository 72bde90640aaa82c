//! Times in the agent's answers.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns seconds since 1970-01-01 UTC.
pub fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
