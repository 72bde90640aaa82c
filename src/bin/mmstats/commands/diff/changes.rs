//! The changes between two states of a model's stats, given as JSON.

use std::collections::{BTreeMap, HashSet};

use mmstats::PERCENTILES;
use mmstats::reader::printable;
use serde_json::{Map, Value as Json};

use crate::names::{self, PatternMatch};
use crate::ui::numbers;

/// A change of one value.
pub struct Change {
    /// The label and the part of its value.
    pub name: String,
    pub text: String,
    /// The change in percent, if both are numbers; infinite from zero.
    pub percent: Option<f64>,
}

/// Returns the keys of both, each once.
pub fn names<'a>(a: &'a Map<String, Json>, b: &'a Map<String, Json>) -> Vec<&'a String> {
    let mut names: Vec<_> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the differences of the labels that match the patterns (all, without patterns), the largest change first.
/// Patterns that match are removed from `unmatched`.
pub fn changes(
    before: &Map<String, Json>,
    after: &Map<String, Json>,
    seconds: Option<f64>,
    patterns: &[String],
    unmatched: &mut HashSet<&str>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for label in names(before, after) {
        let (old, new) = (before.get(label), after.get(label));
        let either = new.or(old).unwrap_or(&Json::Null);
        let unit = either["unit"].as_str().unwrap_or_default();
        let separator = if either["kind"] == "errors" {
            "__"
        } else {
            "."
        };
        let (a, b) = parts(old, new);
        let of_label = names(&a, &b);
        let mut wanted: HashSet<&str> = HashSet::new();
        for pattern in patterns {
            let known = || of_label.iter().map(|name| name.as_str()).collect();
            match names::means(pattern, label, known) {
                Some(PatternMatch::Label) => {
                    wanted.extend(of_label.iter().map(|name| name.as_str()))
                }
                Some(PatternMatch::Parts(parts)) => {
                    wanted.extend(
                        of_label
                            .iter()
                            .filter(|name| parts.contains(name))
                            .map(|name| name.as_str()),
                    );
                }
                None => continue,
            }
            unmatched.remove(pattern.as_str());
        }
        for name in &of_label {
            if !patterns.is_empty() && !wanted.contains(name.as_str()) {
                continue;
            }
            let unit = if counts(either, name) { "" } else { unit };
            let rate = seconds.filter(|_| counts(either, name));
            let (text, percent) = match (a.get(*name), b.get(*name)) {
                (Some(a), Some(b)) if is_same(a, b) => continue,
                (Some(a), Some(b)) => {
                    let (by, percent) = by(a, b, unit, rate);
                    (
                        format!("{} → {}{by}", text(a, unit), text(b, unit)),
                        percent,
                    )
                }
                (Some(a), None) => (format!("{} → gone", text(a, unit)), None),
                (None, Some(b)) => (format!("new: {}", text(b, unit)), None),
                (None, None) => continue,
            };
            let separator = if name.is_empty() { "" } else { separator };
            let name = printable(&format!("{label}{separator}{name}")).into_owned();
            changes.push(Change {
                name,
                text,
                percent,
            });
        }
    }
    // Changes of values that are not numbers, and of series that appear or disappear, rank first.
    let size = |change: &Change| change.percent.map_or(f64::INFINITY, f64::abs);
    changes.sort_by(|a, b| {
        size(b)
            .total_cmp(&size(a))
            .then_with(|| a.name.cmp(&b.name))
    });
    changes
}

/// Returns whether two parts are the same: a whole mean may be an integer in one and a float in the other.
fn is_same(a: &Json, b: &Json) -> bool {
    a == b || ((a.is_f64() || b.is_f64()) && a.is_number() && a.as_f64() == b.as_f64())
}

/// Returns whether a part of a stat counts something, so that it has a rate and no unit.
fn counts(stat: &Json, part: &str) -> bool {
    match (stat["kind"].as_str(), part) {
        (_, "count") | (Some("errors"), _) => true,
        (kind, "") => kind == Some("counter") && stat["unit"].is_null(),
        _ => false,
    }
}

type Parts = Map<String, Json>;

/// Returns the comparable parts of a stat's two states, by name (the empty name is the value itself). The percentiles
/// and the mean of the later state are those of the values recorded in between.
fn parts(old: Option<&Json>, new: Option<&Json>) -> (Parts, Parts) {
    let (mut a, mut b) = (of_state(old), of_state(new));
    if let (Some(old), Some(new)) = (old, new)
        && let Some(between) = between(old, new)
    {
        match between {
            IntervalChange::Nothing => {
                // Both get the earlier values, so no change is reported.
                for name in a.keys().filter(|name| is_of_values(name)) {
                    b.insert(name.clone(), a[name].clone());
                }
            }
            IntervalChange::Values(values) => b.extend(values),
        }
    }
    // Parts without a value, such as the mean of nothing.
    for parts in [&mut a, &mut b] {
        parts.retain(|_, value| !value.is_null());
    }
    (a, b)
}

fn is_of_values(name: &str) -> bool {
    name == "mean" || name.starts_with('p')
}

/// The values recorded between two states of a distribution or summary.
enum IntervalChange {
    Nothing,
    Values(Parts),
}

/// Returns `None` if the later state does not continue the earlier one, or has no count.
fn between(old: &Json, new: &Json) -> Option<IntervalChange> {
    let count = |stat: &Json| stat["count"].as_u64();
    let (from, to) = (count(old)?, count(new)?);
    new["total"].as_f64()?;
    if to < from {
        return None;
    }
    let interval = match (buckets(old), buckets(new)) {
        (Some(old), Some(new)) => Some(interval(&old, &new)?),
        _ => None,
    };
    if to == from {
        return Some(IntervalChange::Nothing);
    }
    let total = |stat: &Json| stat["total"].as_f64();
    let mut values = Parts::new();
    let mean = (total(new)? - total(old)?) / (to - from) as f64;
    values.insert("mean".to_owned(), mean.into());
    let scale = if new["kind"] == "timer" { 1e9 } else { 1.0 };
    for (percent, _) in PERCENTILES.iter().filter(|_| interval.is_some()) {
        let value = percentile(interval.as_deref()?, *percent)? as f64 / scale;
        let bound = |name: &str| new[name].as_f64();
        let value = match (bound("min"), bound("max")) {
            (Some(min), Some(max)) if min <= max => value.clamp(min, max),
            _ => value,
        };
        let value = match scale {
            1.0 => Json::from(value as u64),
            _ => value.into(),
        };
        values.insert(format!("p{percent}"), value);
    }
    Some(IntervalChange::Values(values))
}

/// Least value, greatest value and count, ascending.
type Bucket = (u64, u64, u64);

fn buckets(stat: &Json) -> Option<Vec<Bucket>> {
    let bucket = |bucket: &Json| {
        Some((
            bucket[0].as_u64()?,
            bucket[1].as_u64()?,
            bucket[2].as_u64()?,
        ))
    };
    stat["buckets"].as_array()?.iter().map(bucket).collect()
}

/// Returns what was counted in each bucket since; `None` if a bucket has less than before.
fn interval(old: &[Bucket], new: &[Bucket]) -> Option<Vec<Bucket>> {
    let mut interval: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for &(low, high, count) in new {
        *interval.entry((low, high)).or_default() += count;
    }
    for &(low, high, count) in old {
        let left = interval.get(&(low, high))?.checked_sub(count)?;
        interval.insert((low, high), left);
    }
    Some(
        interval
            .into_iter()
            .map(|((low, high), count)| (low, high, count))
            .collect(),
    )
}

/// Returns the middle of the bucket of the nearest rank.
fn percentile(buckets: &[Bucket], percent: f64) -> Option<u64> {
    let all: u128 = buckets.iter().map(|&(.., count)| u128::from(count)).sum();
    // In integers, in millionths of a percent, since 99.9 / 100.0 * 1000.0 is more than 999.
    let rank = (((percent * 1e6).round() as u128 * all).div_ceil(100_000_000)).max(1);
    let mut seen = 0;
    let bucket = buckets.iter().find(|&&(.., count)| {
        seen += u128::from(count);
        seen >= rank
    });
    bucket.map(|&(low, high, _)| low + high.saturating_sub(low) / 2)
}

/// Returns the parts of one state. Sums, deviations and times are left out, since they follow from the others.
fn of_state(stat: Option<&Json>) -> Parts {
    let mut parts = Parts::new();
    for (key, value) in stat.and_then(Json::as_object).into_iter().flatten() {
        match (&**key, value) {
            ("percentiles", Json::Object(percentiles)) => {
                let percentiles = percentiles.iter();
                parts.extend(
                    percentiles.map(|(percent, value)| (format!("p{percent}"), value.clone())),
                );
            }
            ("value", value) => flatten("", value, &mut parts),
            ("entries", Json::Array(entries)) => {
                parts.insert("values".to_owned(), entries.len().into());
                if let Some(newest) = entries.first() {
                    parts.insert("last".to_owned(), newest["value"].clone());
                }
            }
            ("distinct", Json::Array(errors)) => {
                let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
                for error in errors {
                    let count = counts
                        .entry(error["name"].as_str().unwrap_or_default())
                        .or_default();
                    *count = count.saturating_add(error["count"].as_u64().unwrap_or_default());
                }
                parts.extend(
                    counts
                        .into_iter()
                        .map(|(name, count)| (name.to_owned(), count.into())),
                );
            }
            ("all" | "count" | "mean" | "min" | "max" | "per_ms", value) => {
                drop(parts.insert(key.clone(), value.clone()));
            }
            ("last", value) if stat.is_some_and(|stat| stat["kind"] == "summary") => {
                drop(parts.insert(key.clone(), value.clone()));
            }
            _ => {}
        }
    }
    parts
}

/// Adds fields and elements under names joined with dots.
fn flatten(name: &str, value: &Json, parts: &mut Parts) {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    match value {
        Json::Object(fields) => {
            fields
                .iter()
                .for_each(|(field, value)| flatten(&below(field), value, parts));
        }
        Json::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.for_each(|(i, value)| flatten(&below(&i.to_string()), value, parts));
        }
        value => drop(parts.insert(name.to_owned(), value.clone())),
    }
}

fn text(value: &Json, unit: &str) -> String {
    match (value.as_f64(), value, unit) {
        (Some(seconds), _, "seconds") if seconds >= 0.0 => {
            numbers::duration((seconds * 1e9).round() as u64)
        }
        (Some(bytes), _, "bytes") if bytes >= 0.0 => numbers::bytes(bytes.round() as u64),
        (Some(x), Json::Number(number), _) if number.is_f64() => numbers::float(x),
        (_, Json::Null, _) => "-".to_owned(),
        (_, Json::String(text), _) => printable(text).into_owned(),
        (_, value, _) => printable(&value.to_string()).into_owned(),
    }
}

/// Returns the change, as ` (+5, +50 %, 0.5/s)`, and the percentage.
fn by(a: &Json, b: &Json, unit: &str, seconds: Option<f64>) -> (String, Option<f64>) {
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
        return (String::new(), None);
    };
    // Exact if both are whole numbers.
    let whole = |n: &Json| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
    let difference = whole(a).zip(whole(b)).map(|(a, b)| b - a);
    let percent = match difference.map_or(y - x, |n| n as f64) {
        0.0 => 0.0,
        difference if x == 0.0 => f64::INFINITY.copysign(difference),
        difference => difference / x.abs() * 100.0,
    };
    let mut by = Vec::new();
    match difference {
        _ if matches!(unit, "seconds" | "bytes") => {}
        Some(n) => by.push(format!("{n:+}")),
        None => {
            let sign = if y >= x { "+" } else { "-" };
            by.push(format!("{sign}{}", numbers::float((y - x).abs())));
        }
    }
    if percent.is_finite() {
        by.push(format!("{percent:+.0} %"));
    }
    if let (Some(seconds), Some(count)) = (seconds, difference.and_then(|n| u64::try_from(n).ok()))
    {
        by.push(format!("{}/s", numbers::rate(count, seconds)));
    }
    let by = if by.is_empty() {
        String::new()
    } else {
        format!("  ({})", by.join(", "))
    };
    (by, Some(percent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(before: Json, after: Json, patterns: &[&str]) -> Vec<String> {
        let map = |json: Json| json.as_object().unwrap().clone();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        let changes = changes(
            &map(before),
            &map(after),
            Some(10.0),
            &patterns,
            &mut HashSet::new(),
        );
        changes
            .into_iter()
            .map(|change| format!("{}: {}", change.name, change.text))
            .collect()
    }

    #[test]
    fn each_kind_says_what_has_moved_the_largest_change_first() {
        let before = json!({
            "a": {"kind": "counter", "value": 7},
            "big": {"kind": "counter", "value": u64::MAX - 1},
            "level": {"kind": "gauge", "value": 36.5},
            "pool": {"kind": "compound", "value": {"open": 1, "idle": [2, 3]}},
            "same": {"kind": "counter", "value": 1},
            "text": {"kind": "text", "value": "1.4\u{1b}"},
            "was": {"kind": "flag", "value": true},
            "zero": {"kind": "counter", "value": 0},
            "e": {"kind": "errors", "all": 1, "distinct": [{"name": "EXC:A", "count": 1}]},
            "h": {"kind": "history", "entries": [{"value": 1.5}]},
        });
        let after = json!({
            "a": {"kind": "counter", "value": 12},
            "big": {"kind": "counter", "value": u64::MAX},
            "is": {"kind": "flag", "value": false},
            "level": {"kind": "gauge", "value": -1.5},
            "pool": {"kind": "compound", "value": {"open": 1, "idle": [0, 3]}},
            "same": {"kind": "counter", "value": 1},
            "text": {"kind": "text", "value": "1.5"},
            "zero": {"kind": "counter", "value": 3},
            "e": {"kind": "errors", "all": 3, "distinct": [{"name": "EXC:A", "count": 3}]},
            "h": {"kind": "history", "entries": [{"value": 3.0}, {"value": 1.5}]},
        });
        assert_eq!(
            shown(before.clone(), after.clone(), &[]),
            [
                "is: new: false",
                "text: 1.4\\u{1b} → 1.5",
                "was: true → gone",
                "zero: 0 → 3  (+3, 0.3/s)",
                "e__EXC:A: 1 → 3  (+2, +200 %, 0.2/s)",
                "e__all: 1 → 3  (+2, +200 %, 0.2/s)",
                "level: 36.5 → -1.5  (-38, -104 %)",
                "h.last: 1.5 → 3  (+1.5, +100 %)",
                "h.values: 1 → 2  (+1, +100 %)",
                "pool.idle.0: 2 → 0  (-2, -100 %)",
                "a: 7 → 12  (+5, +71 %, 0.5/s)",
                "big: 18446744073709551614 → 18446744073709551615  (+1, +0 %, 0.1/s)",
            ]
        );
        assert_eq!(
            shown(before, after, &["z*", "e__EXC:A"]),
            [
                "zero: 0 → 3  (+3, 0.3/s)",
                "e__EXC:A: 1 → 3  (+2, +200 %, 0.2/s)"
            ]
        );
    }

    #[test]
    fn percentiles_and_means_are_those_of_the_interval() {
        let timer = |count: u64, total: f64, p50: f64, buckets: Json| {
            json!({"t": {"kind": "timer", "unit": "seconds", "count": count, "total": total,
                   "min": 0.001, "max": 0.005, "mean": total / count as f64,
                   "percentiles": {"50": p50}, "buckets": buckets}})
        };
        let before = timer(100, 0.1, 0.001, json!([[1_000_000, 1_000_000, 100]]));
        // Ten slow values are not visible in the percentiles of all values.
        let after = timer(
            110,
            0.14,
            0.001,
            json!([[1_000_000, 1_000_000, 100], [5_000_000, 5_000_000, 10]]),
        );
        let patterns = ["t.p50", "t.Mean", "t.Count"];
        assert_eq!(
            shown(before.clone(), after.clone(), &patterns),
            [
                "t.p50: 1.00 ms → 5.00 ms  (+400 %)",
                "t.mean: 1.00 ms → 4.00 ms  (+300 %)",
                "t.count: 100 → 110  (+10, +10 %, 1.0/s)",
            ]
        );
        assert_eq!(shown(after.clone(), after.clone(), &[]), [""; 0]);
        // Another run does not continue the first, so all its values count.
        let other = timer(120, 0.24, 0.002, json!([[2_000_000, 2_000_000, 120]]));
        assert_eq!(
            shown(before, other, &["t.p50"]),
            ["t.p50: 1.00 ms → 2.00 ms  (+100 %)"]
        );
    }
}
