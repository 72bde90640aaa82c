//! The numbers of a label.

#[cfg(feature = "serve")]
use serde_json::{Value as Json, json};

/// The numbers of a label; `None` means not known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stat {
    pub(crate) count: f64,
    pub(crate) total: Option<f64>,
    pub(crate) avg: Option<f64>,
    pub(crate) stdev: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) last: Option<f64>,
    pub(crate) last_time: Option<f64>,
}

#[cfg(feature = "serve")]
impl Stat {
    /// Returns the body of the answer; `{}` without a stat.
    pub(crate) fn json(stat: Option<&Stat>) -> Json {
        let Some(stat) = stat else {
            return json!({});
        };
        // In the order of their names. (In aka-stats they are in any order.)
        json!({
            "avg": stat.avg,
            "count": stat.count,
            "last": stat.last,
            "last_time": stat.last_time,
            "max": stat.max,
            "min": stat.min,
            "stdev": stat.stdev,
            "total": stat.total,
        })
    }

    /// Adds another stat, as if the values of both had one label. A number that is unknown in one is unknown in the
    /// sum.
    pub(crate) fn add(sum: &mut Option<Stat>, other: Stat) {
        let Some(one) = *sum else {
            *sum = Some(other);
            return;
        };
        let count = one.count + other.count;
        let apart = both(one.avg, other.avg, |a, b| b - a);
        // The squares about a common mean, merged as in `SummaryValue`.
        let squares = |stat: &Stat| stat.stdev.map(|stdev| stdev * stdev * (stat.count - 1.0));
        let within = both(squares(&one), squares(&other), |a, b| a + b);
        let between = apart.map(|apart| apart * apart * one.count * other.count / count);
        *sum = Some(Stat {
            count,
            total: both(one.total, other.total, |a, b| a + b),
            avg: both(one.avg, apart, |avg, apart| {
                avg + apart * other.count / count
            }),
            stdev: both(within, between, |a, b| ((a + b) / (count - 1.0)).sqrt()),
            min: both(one.min, other.min, f64::min),
            max: both(one.max, other.max, f64::max),
            last: match (one.last_time, other.last_time) {
                (Some(before), Some(after)) if before <= after => other.last,
                (Some(_), Some(_)) => one.last,
                _ => None,
            },
            last_time: both(one.last_time, other.last_time, f64::max),
        });
    }
}

/// Applies `f` to two numbers if both are known.
#[cfg(feature = "serve")]
fn both(a: Option<f64>, b: Option<f64>, f: impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(f(a?, b?))
}
