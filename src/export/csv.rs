//! CSV: one line for each number or text of a series.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::reader::{Model, Reading, Sample, Series};

/// Writes the columns `model,series,kind,unit,part,value` for these models, as in RFC 4180 but with `\n` at the end of lines.
///
/// A series that is a single number, boolean or text has one line with an empty `part`. Each part of a series has a
/// line: `Mean`, `Percentile99th`, the fields of a compound, `EXC:ParseIntError`. Numbers that do not exist have no
/// line. A value that is not finite is written as `NaN`, `inf` or `-inf`.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
/// let mut csv = Vec::new();
/// mmstats::export::write_csv(&mut csv, snapshot.models().iter())?;
/// assert!(csv.starts_with(b"model,series,kind,unit,part,value\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns the errors of `out`.
pub fn write_csv<'a>(
    out: &mut impl Write,
    models: impl Iterator<Item = &'a Model>,
) -> io::Result<()> {
    out.write_all(b"model,series,kind,unit,part,value\n")?;
    for model in models {
        for series in model.series() {
            let mut lines = String::new();
            series.samples(|sample| line(&mut lines, model.name(), series, &sample));
            out.write_all(lines.as_bytes())?;
        }
    }
    Ok(())
}

fn line(out: &mut String, model: &str, series: &Series, sample: &Sample<'_>) {
    let value: Cow<'_, str> = match sample.reading {
        Reading::Cumulative(number) | Reading::Sum(number) | Reading::Level(number) => match number
        {
            crate::Number::Int(n) => n.to_string().into(),
            crate::Number::Float(x) => format!("{x:?}").into(),
        },
        Reading::Flag(flag) => flag.to_string().into(),
        Reading::Text(text) => text.into(),
        // Their counts, sums and percentiles are parts.
        Reading::Histogram(_) | Reading::Summary { .. } => return,
    };
    for (text, end) in [
        (model, ','),
        (series.label(), ','),
        (series.kind(), ','),
        (sample.unit, ','),
        (sample.part, ','),
        (&value, '\n'),
    ] {
        out.push_str(&quoted(text));
        out.push(end);
    }
}

/// Quotes a text if it needs quoting.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}
