//! Numbers, sizes, durations and dates in readable form.

pub use mmstats::reader::{bytes, counted, date, duration, float};
use mmstats::{Number, Value};

/// Formats a number in full: floats with enough digits to read the same one back.
pub fn number(number: Number) -> String {
    match number {
        Number::Int(n) => n.to_string(),
        Number::Float(x) => format!("{x:?}"),
    }
}

/// Formats seconds as a plain decimal: always to the millisecond, and to the nanosecond if needed.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return format!("{seconds:?}");
    }
    let text = format!("{seconds:.9}");
    let to_the_millisecond = text.len() - 6;
    let needed = text.trim_end_matches('0').len();
    text[..needed.max(to_the_millisecond)].to_owned()
}

/// Formats a single value in a column; `None` for a value with several parts.
pub fn value(value: &Value) -> Option<String> {
    match (value.number(), value.as_bool(), value.as_str()) {
        (Some(Number::Float(x)), ..) => Some(float(x)),
        (Some(n), ..) => Some(number(n)),
        (_, Some(flag), _) => Some(flag.to_string()),
        (.., text) => text.map(str::to_owned),
    }
}

/// Formats a count over some seconds as a rate per second.
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

/// Formats a rate per second in a column.
pub fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..99.95 => format!("{rate:.1}"),
        _ => grouped(rate.round() as u64),
    }
}

/// Formats a whole number with separated thousands: `1,234,567`.
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

/// Formats nanoseconds since 1970 in UTC, to the millisecond: `2026-11-21 01:27:03.500`.
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
    fn thousands_are_apart() {
        let shown: Vec<_> = [0, 999, 1_000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
