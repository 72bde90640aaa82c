//! Assertions about the values of a snapshot.

use std::cmp::Reverse;
use std::fmt::{Display, Write};

use crate::Value;
use crate::reader::Snapshot;

/// How many values the message of a failed assertion lists if the label does not exist.
const LISTED: usize = 8;

/// What a value can be compared with: an integer, a float, a boolean or a text.
pub trait Expected: Display {
    /// Returns whether a value is exactly this one.
    ///
    /// ```
    /// use mmstats::Value;
    /// use mmstats::testing::Expected;
    ///
    /// assert!(3.is(&Value::Counter(3)));
    /// assert!(!"3".is(&Value::Counter(3)));
    /// ```
    fn is(&self, value: &Value) -> bool;
}

macro_rules! expected {
    ($($type:ty, |$self:ident, $value:ident| $is:expr;)*) => {$(
        impl Expected for $type {
            fn is(&self, $value: &Value) -> bool {
                let $self = self;
                $is
            }
        }
    )*};
}

expected! {
    i32, |this, value| value.as_i64() == Some(i64::from(*this));
    i64, |this, value| value.as_i64() == Some(*this);
    u32, |this, value| value.as_u64() == Some(u64::from(*this));
    u64, |this, value| value.as_u64() == Some(*this);
    usize, |this, value| value.as_u64() == Some(*this as u64);
    f64, |this, value| value.as_f64() == Some(*this);
    bool, |this, value| value.as_bool() == Some(*this);
    str, |this, value| value.as_str() == Some(this);
    &str, |this, value| value.as_str() == Some(this);
}

/// Asserts that the value at a label is the expected one.
///
/// A label is that of a series in any model ([`Series::label`](crate::reader::Series::label)), or of a part that the
/// series exposes: `job_time.Count`, `job_time.Max`, `requests.WindowCount`. Times are in seconds.
///
/// ```
/// use mmstats::testing::{self, assert_value};
/// # use mmstats::{Counter, MmStats, Text, Timer};
/// # #[derive(MmStats)] struct Work { jobs: Counter, state: Text<16>, job_time: Timer }
/// let work = testing::model::<Work>();
/// work.jobs.add(3);
/// work.state.set("busy");
/// work.job_time.record(std::time::Duration::from_millis(250));
///
/// let snapshot = testing::snapshot(&work);
/// assert_value(&snapshot, "jobs", 3);
/// assert_value(&snapshot, "state", "busy");
/// assert_value(&snapshot, "job_time.Max", 0.25);
/// ```
///
/// # Panics
/// If the value differs in any model that has the label, or if no model has it. In the latter case the message lists
/// the most similar labels and their values.
#[track_caller]
pub fn assert_value(snapshot: &Snapshot, label: &str, expected: impl Expected) {
    let values = values(snapshot);
    let mut found = values.iter().filter(|(known, _)| known == label).peekable();
    if found.peek().is_none() {
        panic!(
            "there is no value `{label}` (expected {expected}){}",
            similar(&values, label)
        );
    }
    for (_, value) in found {
        assert!(
            expected.is(value),
            "`{label}` is {value}, expected {expected}"
        );
    }
}

/// Returns all labels with their values: those of series, and of what they expose.
fn values(snapshot: &Snapshot) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for series in snapshot.merged().iter().flat_map(|model| model.series()) {
        values.push((series.label().to_owned(), series.value().clone()));
        for (name, value) in series.exposed() {
            let label = format!("{}{}{name}", series.label(), series.value().separator());
            values.push((label, value.clone()));
        }
    }
    values
}

/// Returns lines with the labels that are most similar to one that does not exist.
fn similar(values: &[(String, Value)], label: &str) -> String {
    if values.is_empty() {
        return "; the snapshot is empty".to_owned();
    }
    let mut nearest: Vec<_> = values.iter().collect();
    nearest.sort_by_key(|(known, _)| Reverse(in_common(known, label)));
    let mut text = "; the most similar are".to_owned();
    for (known, value) in nearest.iter().take(LISTED) {
        let _ = write!(text, "\n  {known} = {value}"); // A String takes everything.
    }
    text
}

/// Returns how many characters two labels have in common at the beginning and at the end.
fn in_common(a: &str, b: &str) -> usize {
    let same =
        |pairs: &mut dyn Iterator<Item = (char, char)>| pairs.take_while(|(a, b)| a == b).count();
    let begin = same(&mut a.chars().zip(b.chars()));
    begin + same(&mut a.chars().rev().zip(b.chars().rev()))
}
