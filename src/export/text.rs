//! The text formats: OpenMetrics 1.0 (and 0.0.1), and Prometheus 0.0.4 and 1.0.0.

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use super::families::{Families, Family, FamilyPoint, HistogramPoint, PointValue, TRACE, Type};
use super::names::Escaping;
use crate::format::scalar::Number;

/// A text format, with options for how a page is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextFormat {
    /// Whether it is OpenMetrics rather than the older text format of Prometheus.
    pub is_openmetrics: bool,
    /// How names are escaped.
    pub escaping: Escaping,
    /// Whether each series says from when it counts (`_created`), if the format supports that.
    pub created: bool,
}

impl TextFormat {
    /// OpenMetrics 1.0.
    pub const OPENMETRICS: TextFormat = TextFormat {
        is_openmetrics: true,
        escaping: Escaping::Underscores,
        created: false,
    };
    /// Prometheus 0.0.4.
    pub const PROMETHEUS: TextFormat = TextFormat {
        is_openmetrics: false,
        ..TextFormat::OPENMETRICS
    };

    /// Writes the page.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// use mmstats::export::{Families, TextFormat};
    ///
    /// let mut families = Families::new(false);
    /// for model in snapshot.models() {
    ///     families.add_model(model, "", &[]);
    /// }
    /// let page = TextFormat::OPENMETRICS.page(families);
    /// assert!(page.ends_with("# EOF\n"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn page(self, families: Families) -> String {
        let mut out = String::new();
        for family in families.into_families() {
            self.family(&mut out, &family).expect("a String takes all");
        }
        if self.is_openmetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    fn family(self, out: &mut String, family: &Family) -> fmt::Result {
        let points = || family.points.iter().filter(|point| self.is_shown(point));
        if points().next().is_none() {
            return Ok(());
        }
        // In OpenMetrics a family's name has no suffix, and info is a type of its own.
        let suffix = match family.kind {
            Type::Counter => "_total",
            Type::Info => "_info",
            _ => "",
        };
        let sample_name = self
            .escaping
            .escape(&format!("{}{suffix}", family.name))
            .into_owned();
        let (name, kind) = match family.kind {
            kind if self.is_openmetrics => (
                sample_name.strip_suffix(suffix).unwrap_or(&sample_name),
                kind,
            ),
            Type::Info => (&*sample_name, Type::Gauge),
            kind => (&*sample_name, kind),
        };
        writeln!(out, "# TYPE {name} {}", kind.name())?;
        if self.is_openmetrics && !family.unit.is_empty() && name.ends_with(&family.unit) {
            writeln!(out, "# UNIT {name} {}", family.unit)?;
        }
        write!(out, "# HELP {name} ")?;
        self.help(out, &family.help);
        out.push('\n');
        for point in points() {
            self.point(out, name, &sample_name, point)?;
            if self.created && self.is_openmetrics && may_be_created(family.kind) {
                self.created(out, name, point)?;
            }
        }
        Ok(())
    }

    /// Returns whether a point can be shown. OpenMetrics requires the sum of a summary, but forbids one that is
    /// negative or NaN.
    fn is_shown(self, point: &FamilyPoint) -> bool {
        let PointValue::Summary { sum, .. } = point.value else {
            return true;
        };
        !self.is_openmetrics || is_counter(sum)
    }

    fn point(
        self,
        out: &mut String,
        name: &str,
        sample_name: &str,
        point: &FamilyPoint,
    ) -> fmt::Result {
        match &point.value {
            PointValue::Number(value) => {
                self.sample(out, sample_name, "", &point.labels, None)?;
                number(out, *value)?;
            }
            PointValue::Summary { count, sum } => {
                self.sample(out, name, "_count", &point.labels, None)?;
                writeln!(out, "{count}")?;
                self.sample(out, name, "_sum", &point.labels, None)?;
                number(out, Number::Float(*sum))?;
            }
            PointValue::Histogram(histogram) => self.histogram(out, name, point, histogram)?,
        }
        Ok(())
    }

    fn histogram(
        self,
        out: &mut String,
        name: &str,
        point: &FamilyPoint,
        histogram: &HistogramPoint,
    ) -> fmt::Result {
        // The labels are the same for every bucket, so they are formatted once.
        let mut before = String::new();
        self.sample(&mut before, name, "_bucket", &point.labels, Some(""))?;
        let mut below = f64::NEG_INFINITY;
        for &(bound, count) in &histogram.buckets {
            out.push_str(&before);
            bound_text(out, bound)?;
            write!(out, "\"}} {count}")?;
            if self.is_openmetrics
                && let Some(exemplar) = histogram.exemplar(below, bound)
            {
                write!(out, " # {{{TRACE}=\"")?;
                escaped(out, &exemplar.trace);
                let seconds = exemplar.time as f64 / 1e9;
                write!(out, "\"}} {:?} {seconds:?}", exemplar.value)?;
            }
            out.push('\n');
            below = bound;
        }
        if !self.is_openmetrics || (is_counter(histogram.sum) && !histogram.has_negative) {
            self.sample(out, name, "_count", &point.labels, None)?;
            writeln!(out, "{}", histogram.count())?;
            self.sample(out, name, "_sum", &point.labels, None)?;
            number(out, Number::Float(histogram.sum))?;
        }
        Ok(())
    }

    /// Writes a sample up to its value; with `le`, up to the value of that label.
    fn sample(
        self,
        out: &mut String,
        name: &str,
        suffix: &str,
        labels: &[(String, String)],
        le: Option<&str>,
    ) -> fmt::Result {
        out.push_str(name);
        out.push_str(suffix);
        let mut separator = '{';
        for (key, value) in labels {
            write!(out, "{separator}{}=\"", self.escaping.escape(key))?;
            escaped(out, value);
            out.push('"');
            separator = ',';
        }
        if le.is_some() {
            write!(out, "{separator}le=\"")?;
            return Ok(());
        }
        if separator == ',' {
            out.push('}');
        }
        out.push(' ');
        Ok(())
    }

    fn created(self, out: &mut String, name: &str, point: &FamilyPoint) -> fmt::Result {
        if let Some(seconds) = point.since.and_then(unix_seconds) {
            self.sample(out, name, "_created", &point.labels, None)?;
            writeln!(out, "{seconds:?}")?;
        }
        Ok(())
    }

    /// Writes a help text. Quotes are escaped only in OpenMetrics.
    fn help(self, out: &mut String, help: &str) {
        if self.is_openmetrics {
            escaped(out, help);
            return;
        }
        for c in help.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
    }
}

fn may_be_created(kind: Type) -> bool {
    matches!(kind, Type::Counter | Type::Histogram | Type::Summary)
}

/// Returns whether it can be the value of a counter.
fn is_counter(sum: f64) -> bool {
    sum >= 0.0
}

/// Returns seconds since 1970-01-01 UTC; `None` for zero, which stands for an unknown time.
pub(super) fn unix_seconds(time: SystemTime) -> Option<f64> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    (seconds > 0.0).then_some(seconds)
}

/// Writes the value of a label.
fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Writes a number and the end of the line.
fn number(out: &mut String, number: Number) -> fmt::Result {
    match number {
        Number::Int(n) => writeln!(out, "{n}"),
        Number::Float(x) if x.is_nan() => writeln!(out, "NaN"),
        Number::Float(x) if x.is_infinite() => {
            writeln!(out, "{}", if x > 0.0 { "+Inf" } else { "-Inf" })
        }
        Number::Float(x) => writeln!(out, "{x:?}"),
    }
}

/// Writes a bound as Prometheus does, so that the label is the same in every version: the shortest digits, with an
/// exponent of two digits below 10⁻⁴ and from 10⁶ on, and never an integer.
fn bound_text(out: &mut String, bound: f64) -> fmt::Result {
    if bound.is_infinite() {
        return out.write_str("+Inf");
    }
    let scientific = format!("{bound:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if bound != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(out, "{digits}e{sign}{:02}", exponent.abs());
    }
    write!(out, "{bound:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's `strconv.FormatFloat(x, 'g', -1, 64)`, with `.0` behind integers.
    #[test]
    fn bounds_are_written_as_prometheus_does() {
        for (bound, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.000001023, "1.023e-06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1048575.0, "1.048575e+06"),
            (131071.0, "131071.0"),
            (68.719476735, "68.719476735"),
            (f64::INFINITY, "+Inf"),
        ] {
            let mut out = String::new();
            bound_text(&mut out, bound).unwrap();
            assert_eq!(out, text);
        }
    }
}
