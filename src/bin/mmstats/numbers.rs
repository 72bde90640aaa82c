//! Numbers, sizes, durations and dates as people read them.

use mmstats::{Number, Value};

/// A number in full: floats with as many digits as it takes to read the same one again.
pub fn number(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Float(x) => format!("{x:?}"),
    }
}

/// Seconds as a plain decimal: to the nanosecond where needed, to the millisecond always.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return format!("{seconds:?}");
    }
    let text = format!("{seconds:.9}");
    let to_the_millisecond = text.len() - 6;
    let needed = text.trim_end_matches('0').len();
    text[..needed.max(to_the_millisecond)].to_owned()
}

/// Nanoseconds in the unit that suits them, three digits: `12.3 µs`.
pub fn duration(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Bytes in the unit that suits them: `8 KiB`.
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
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A single value in a column: `None` of what has several parts.
pub fn value(value: &Value) -> Option<String> {
    match (value.number(), value.as_bool(), value.as_str()) {
        (Some(Number::Float(x)), ..) => Some(float(x)),
        (Some(n), ..) => Some(number(n)),
        (_, Some(flag), _) => Some(flag.to_string()),
        (.., text) => text.map(str::to_owned),
    }
}

/// A float as one glances at it: six digits, and no more zeros than it needs.
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

/// How often something was counted, of what only rises: a counter, or the values that were recorded.
pub fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Counter(count) => Some(*count),
        Value::Timer(values) | Value::Percentile(values) => Some(values.count()),
        Value::Summary(summary) => Some(summary.count()),
        Value::Average(average) => Some(average.count()),
        Value::SamplingCounter(sample) => Some(sample.count),
        Value::Errors(errors) => Some(errors.all()),
        _ => None,
    }
}

/// A count in some seconds, as a rate per second.
pub fn rate(count: u64, seconds: f64) -> String {
    let rate = if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    };
    match rate {
        0.0 => "0".to_owned(),
        ..99.95 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// A rate per second in a column.
pub fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..99.95 => format!("{rate:.1}"),
        _ => grouped(rate.round() as u64),
    }
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 file`, `2 files`.
pub fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        n => format!("{n} {}", plural(what)),
    }
}

fn plural(what: &str) -> String {
    match what.strip_suffix("ess") {
        Some(stem) => format!("{stem}esses"),
        None => format!("{what}s"),
    }
}

/// Nanoseconds since 1970 as a date and time of day in UTC: `2026-11-21 01:27:03`.
pub fn date(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The civil calendar by eras of 400 years that begin on a 1st of March, so that the leap day is
    // the last of its year (Howard Hinnant's days_from_civil, the other way round).
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

/// The same to the millisecond: `2026-11-21 01:27:03.500`.
pub fn date_millis(nanos: u64) -> String {
    format!("{}.{:03}", date(nanos), nanos / 1_000_000 % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_plain_decimals() {
        for (value, text) in [
            (0.01, "0.010"),
            (0.0, "0.000"),
            (3.0, "3.000"),
            (1e-9, "0.000000001"),
            (0.000_333_333_333, "0.000333333"),
            (12_345.678_9, "12345.6789"),
            (100.0, "100.000"),
            (1e10, "10000000000.000"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        assert_eq!(number(Number::Int(i128::MAX)), i128::MAX.to_string());
        for value in [36.6, 0.1 + 0.2, 1e300, 5e-324, -0.0] {
            assert_eq!(
                number(Number::Float(value))
                    .parse::<f64>()
                    .unwrap()
                    .to_bits(),
                value.to_bits()
            );
        }
        assert_eq!(number(Number::Float(36.0)), "36.0");
        assert_eq!(number(Number::Float(f64::INFINITY)), "inf");
    }

    #[test]
    fn units_suit_their_values() {
        let shown: Vec<_> = [0, 999, 1_000, 12_345, 999_960, 1_500_000, u64::MAX]
            .map(duration)
            .into();
        assert_eq!(
            shown,
            [
                "0 ns",
                "999 ns",
                "1.00 µs",
                "12.3 µs",
                "1000 µs",
                "1.50 ms",
                "18446744074 s"
            ]
        );
        let shown: Vec<_> = [0, 1023, 1024, 8192, 12_700, 16 << 20, u64::MAX]
            .map(bytes)
            .into();
        assert_eq!(
            shown,
            [
                "0 B", "1023 B", "1 KiB", "8 KiB", "12.4 KiB", "16 MiB", "16 EiB"
            ]
        );
        let shown: Vec<_> = [0, 999, 1_000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
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
