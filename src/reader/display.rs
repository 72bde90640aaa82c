//! Values as text for people: what `Display` and `mmstats show` print.

use std::fmt::{self, Debug, Display, Formatter};

use super::snapshot::Series;
use super::text::printable;
use crate::format::scalar::Number;
use crate::metric::Value;
use crate::metric::percentile::distribution::Distribution;
use crate::metric::sample::{Reading, Sample};
use crate::metric::value::WindowValue;

/// The percentiles shown in a row.
const SHOWN: [f64; 3] = [50.0, 90.0, 99.0];

/// Formats nanoseconds in a suitable unit, with three digits: `12.3 µs`.
///
/// ```
/// assert_eq!(mmstats::reader::duration(4_360), "4.36 µs");
/// ```
pub fn duration(nanos: u64) -> String {
    seconds(nanos as f64 / 1e9)
}

/// Formats seconds in a suitable unit.
fn seconds(seconds: f64) -> String {
    let nanos = seconds * 1e9;
    let (value, unit) = match nanos.abs() {
        ..999.5 if nanos.fract() == 0.0 => return format!("{nanos} ns"),
        ..999.5 => (nanos, "ns"),
        ..999_500.0 => (nanos / 1e3, "µs"),
        ..999_500_000.0 => (nanos / 1e6, "ms"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Formats bytes in a suitable unit: `8 KiB`.
///
/// ```
/// assert_eq!(mmstats::reader::bytes(12_700), "12.4 KiB");
/// ```
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Unit i begins at 1024^(i+1); a u64 has at most the sixth.
    let unit = (bytes.ilog2() / 10 - 1) as usize;
    let value = bytes as f64 / (1u64 << (10 * (unit + 1))) as f64;
    let value = if value.fract() == 0.0 {
        format!("{value}")
    } else {
        three_digits(value)
    };
    format!("{value} {}", UNITS[unit])
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Formats a float with six digits, without trailing zeros.
///
/// ```
/// assert_eq!(mmstats::reader::float(0.1 + 0.2), "0.3");
/// ```
pub fn float(x: f64) -> String {
    if !x.is_finite() || (x != 0.0 && !(1e-4..1e15).contains(&x.abs())) {
        return format!("{x:.3e}");
    }
    let digits = 5 - x.abs().max(1.0).log10().floor() as i32;
    let text = format!("{x:.*}", digits.max(0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Formats nanoseconds since 1970 as a date and time of day in UTC: `2026-11-21 01:27:03`.
///
/// ```
/// assert_eq!(mmstats::reader::date(951_782_400_000_000_000), "2000-02-29 00:00:00");
/// ```
pub fn date(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The civil calendar, in eras of 400 years that begin on 1 March, so that the leap day is the last day of
    // its year (the inverse of Howard Hinnant's days_from_civil).
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, (month + 2) % 12 + 1);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Formats a number in its unit.
fn number(number: Number, unit: &str) -> String {
    match (number, unit) {
        (_, "seconds") => seconds(number.as_f64()),
        (_, "bytes") => match number.as_f64() {
            x if !(0.0..1.8e19).contains(&x) => format!("{} B", float(x)),
            // Less than 1 KiB: a mean of bytes has a fraction.
            x if x < 1024.0 => format!("{} B", float(x)),
            x => bytes(number.as_u64().unwrap_or(x.round() as u64)),
        },
        (Number::Int(n), "") => n.to_string(),
        (Number::Float(x), "") => float(x),
        (Number::Int(n), unit) => format!("{n} {}", printable(unit)),
        (Number::Float(x), unit) => format!("{} {}", float(x), printable(unit)),
    }
}

/// A part of a row: its name (empty: the value itself) and its text.
type RowPart = (String, String);

/// Returns the parts of a value, in its unit. Text is escaped for terminals.
fn parts(value: &Value, unit: &str) -> Vec<RowPart> {
    let one = |text: String| vec![(String::new(), text)];
    match value {
        Value::Timer(times) => integers(times, |nanos| seconds(nanos / 1e9)),
        Value::FloatPercentile(values) => {
            let text = |x| number(Number::Float(x), unit);
            let percentiles = values.percentiles(&SHOWN);
            let mut parts = distribution(
                values.count(),
                values.mean(),
                percentiles,
                values.max(),
                text,
            );
            // Rejected values are in none of the other numbers and must not be overlooked.
            let rejected = Some(values.rejected()).filter(|&rejected| rejected > 0);
            parts.extend(rejected.map(|n| ("rejected".to_owned(), n.to_string())));
            parts
        }
        Value::Percentile(values) => integers(values, |x| {
            if x.fract() == 0.0 && x < 9e15 {
                number(Number::Int(x as i128), unit)
            } else {
                number(Number::Float(x), unit)
            }
        }),
        Value::Summary(summary) => {
            let numbers = [
                ("mean", summary.mean()),
                ("stddev", summary.stddev()),
                ("min", summary.min()),
                ("max", summary.max()),
                ("last", summary.last()),
            ];
            let count = ("count".to_owned(), summary.count().to_string());
            let some = numbers
                .into_iter()
                .filter_map(|(name, x)| Some((name.to_owned(), number(Number::Float(x?), unit))));
            [count].into_iter().chain(some).collect()
        }
        Value::Average(average) | Value::MovingAverage(average) => one(average
            .average()
            .map_or("none yet".to_owned(), |x| number(Number::Float(x), unit))),
        Value::SamplingCounter(sample) => vec![
            (String::new(), sample.count.to_string()),
            ("rate".to_owned(), format!("{}/ms", float(sample.rate))),
        ],
        Value::History(history) => one(match history.entries() {
            [] => "no values".to_owned(),
            [newest, rest @ ..] => format!(
                "{}, the last {:?} of {}",
                counted(rest.len() as u64 + 1, "value", "values"),
                newest.value(),
                date(newest.time_ns()),
            ),
        }),
        Value::Window(window) => of_window(window, unit),
        _ => match (value.number(), value.as_bool(), value.as_str()) {
            (Some(n), ..) => one(number(n, unit)),
            (_, Some(flag), _) => one(flag.to_string()),
            (.., Some(text)) => one(printable(text).into_owned()),
            _ => {
                let mut parts = Vec::new();
                value.samples(unit, |sample| {
                    if let Some(text) = text_of(sample).filter(|_| !sample.is_whole()) {
                        parts.push((printable(sample.part).into_owned(), text));
                    }
                });
                if parts.is_empty() {
                    // A kind that this version does not know has no parts.
                    parts = one(format!("({})", value.kind()));
                }
                parts
            }
        },
    }
}

/// Returns the text of a sample, in its unit; `None` for a histogram or a summary.
fn text_of(sample: Sample<'_>) -> Option<String> {
    Some(match sample.reading {
        Reading::Cumulative(n) | Reading::Sum(n) | Reading::Level(n) => number(n, sample.unit),
        Reading::Flag(flag) => flag.to_string(),
        Reading::Text(text) => printable(text).into_owned(),
        Reading::Histogram(_) | Reading::Summary { .. } => return None,
    })
}

/// Returns the text of an exposed value, which has no parts of its own.
fn parts_of_one(value: &Value, unit: &str) -> String {
    match (value.number(), value.as_bool()) {
        (Some(n), _) => number(n, unit),
        (_, Some(flag)) => flag.to_string(),
        _ => value
            .as_str()
            .map_or(String::new(), |text| printable(text).into_owned()),
    }
}

fn integers(values: &Distribution, text: impl Fn(f64) -> String) -> Vec<RowPart> {
    let float = |n: Option<u64>| n.map(|n| n as f64);
    let percentiles = values.percentiles(&SHOWN).map(float);
    distribution(
        values.count(),
        values.mean(),
        percentiles,
        float(values.max()),
        text,
    )
}

fn distribution(
    count: u64,
    mean: Option<f64>,
    percentiles: [Option<f64>; SHOWN.len()],
    max: Option<f64>,
    text: impl Fn(f64) -> String,
) -> Vec<RowPart> {
    let mut parts = vec![("count".to_owned(), count.to_string())];
    parts.extend(mean.map(|mean| ("mean".to_owned(), text(mean))));
    for (percent, value) in SHOWN.iter().zip(percentiles) {
        parts.extend(value.map(|value| (format!("p{percent}"), text(value))));
    }
    parts.extend(max.map(|max| ("max".to_owned(), text(max))));
    parts
}

fn of_window(window: &WindowValue, unit: &str) -> Vec<RowPart> {
    let mut parts = parts(window.value(), unit);
    let count = parts.remove(0).1;
    let mut shown = vec![(format!("in {}", seconds(window.seconds())), count)];
    shown.extend(
        window
            .rate()
            .map(|rate| ("rate".to_owned(), format!("{}/s", float(rate)))),
    );
    shown.extend(parts);
    shown
}

/// Formats a count with the singular or plural of its noun.
///
/// ```
/// use mmstats::reader::counted;
///
/// assert_eq!(counted(1, "file", "files"), "1 file");
/// assert_eq!(counted(2, "file", "files"), "2 files");
/// ```
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn join(parts: &[RowPart], f: &mut Formatter<'_>) -> fmt::Result {
    for (i, (name, text)) in parts.iter().enumerate() {
        let gap = if i > 0 { "  " } else { "" };
        let name_gap = if name.is_empty() { "" } else { " " };
        write!(f, "{gap}{name}{name_gap}{text}")?;
    }
    Ok(())
}

/// As `mmstats show` prints it, for a value without a unit: a timer as `count 7  mean 4.36 µs  p50 …`.
/// Text is escaped for terminals.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        join(&parts(self, ""), f)
    }
}

/// Label and value as `mmstats show` prints them, with units: `body_size  count 1  mean 512 B  …`.
/// Text is escaped for terminals.
impl Display for Series {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", printable(self.label()))?;
        join(&self.shown(), f)
    }
}

impl Debug for Series {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Series")
            .field(&format_args!("{self}"))
            .finish()
    }
}

/// The kind, and the value as it is displayed.
impl Debug for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple(self.kind())
            .field(&format_args!("{self}"))
            .finish()
    }
}

/// Count and extremes: there may be thousands of buckets.
impl Debug for Distribution {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distribution")
            .field("count", &self.count())
            .field("min", &self.min())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

impl Series {
    /// Returns the parts of its row in `mmstats show`: names (empty for the value itself) and texts in its
    /// unit, then those of its window. All are escaped for terminals.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let pool = model.series().iter().find(|series| series.label() == "pool").unwrap();
    /// assert!(pool.shown().iter().any(|(name, _)| name == "open"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn shown(&self) -> Vec<(String, String)> {
        let mut shown = parts(self.value(), self.unit());
        if let Some(window) = self.window() {
            shown.extend(of_window(window, self.unit()));
        }
        shown
    }

    /// Returns the text of one of the values that it exposes (see [`exposed`](Self::exposed)), in its unit
    /// and escaped for terminals; `None` if it exposes no such value.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let pool = model.series().iter().find(|series| series.label() == "pool").unwrap();
    /// assert!(pool.shown_part("open").is_some());
    /// assert_eq!(pool.shown_part("closed"), None);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn shown_part(&self, name: &str) -> Option<String> {
        let (_, value) = self.exposed().iter().find(|(exposed, _)| exposed == name)?;
        let without =
            matches!(value, Value::Counter(_)) || ["Rate", "Rejected", "LastTime"].contains(&name);
        Some(parts_of_one(value, if without { "" } else { self.unit() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::histogram::Layout;
    use crate::metric::percentile::moments::Moments;

    #[test]
    fn units_suit_their_values() {
        let shown = [0, 999, 1_000, 12_345, 999_960, 1_500_000, u64::MAX].map(duration);
        assert_eq!(
            shown,
            [
                "0 ns",
                "999 ns",
                "1.00 µs",
                "12.3 µs",
                "1.00 ms",
                "1.50 ms",
                "18446744074 s"
            ]
        );
        let shown = [0, 1023, 1024, 8192, 12_700, 16 << 20, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            [
                "0 B", "1023 B", "1 KiB", "8 KiB", "12.4 KiB", "16 MiB", "16 EiB"
            ]
        );
        assert_eq!(number(Number::Float(0.25), "seconds"), "250 ms");
        assert_eq!(number(Number::Int(3), "rows"), "3 rows");
    }

    #[test]
    fn a_distribution_is_displayed_in_one_short_line_and_its_debug_has_no_buckets() {
        let layout = Layout::new(2).unwrap();
        let moments = Moments::default().with(4_360);
        let buckets = vec![1; layout.buckets()];
        let octaves = [(5, &*buckets)];
        let values = || Box::new(Distribution::of(layout, moments, &[], &octaves));
        let timer = Value::Timer(values());
        assert_eq!(
            timer.to_string(),
            "count 1  mean 4.36 µs  p50 4.36 µs  p90 4.36 µs  p99 4.36 µs  max 4.36 µs"
        );
        let debug = format!("{timer:?} {:?} {:?}", values(), Value::Percentile(values()));
        assert!(debug.len() < 400, "{debug}");
    }

    #[test]
    fn display_escapes_what_acts_on_a_terminal() {
        assert_eq!(
            Value::Text("a\x1b[2J".to_owned()).to_string(),
            "a\\u{1b}[2J"
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_795_214_569, "2026-11-20 22:42:49"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(date(seconds * 1_000_000_000), text);
        }
        assert_eq!(date(u64::MAX), "2554-07-21 23:34:33");
    }
}
