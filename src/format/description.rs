//! Descriptions: the help text and unit of a metric, if they were set after its schema was written.
//!
//! The body of a description record, after the head of every record:
//!
//! ```text
//!   8  u64  when it was said: nanoseconds since 1970-01-01 UTC
//!  16  u16  kind of the metrics that are described
//!  18  u16  length of their label
//!  20  u16  length of the unit
//!  22  u16  length of the help text
//!  24  label, unit, help
//! ```
//!
//! It describes all metrics of the model whose entries have this kind and this label, whatever their groups
//! and labels are, and whichever file they are in. If there are several, the one with the greatest time
//! counts.

use super::bytes::{Bytes, Malformed, TEXT_MOST};
use super::record::{self, Type};

/// The help text and unit of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// When it was set, in nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The code of the kind.
    pub kind: u16,
    /// The label in the metric's entry.
    pub label: String,
    /// Its unit, or empty.
    pub unit: String,
    /// Its help text, or empty.
    pub help: String,
}

impl Description {
    /// The bytes of its record; `None` if a text is too long.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let texts = [&self.label, &self.unit, &self.help];
        if texts.iter().any(|text| text.len() > TEXT_MOST) {
            return None;
        }
        let mut out = record::begin(Type::Description);
        out.extend(self.time.to_le_bytes());
        out.extend(self.kind.to_le_bytes());
        for text in texts {
            out.extend((text.len() as u16).to_le_bytes());
        }
        for text in texts {
            out.extend(text.as_bytes());
        }
        Some(record::end(out))
    }

    /// Decodes the body of a description record.
    pub fn decode(mut body: Bytes<'_>) -> Result<Description, Malformed> {
        let time = body.u64("the time")?;
        let kind = body.u16("the kind")?;
        let mut length = |what| body.u16(what).map(usize::from);
        let label = length("the label's length")?;
        let unit = length("the unit's length")?;
        let help = length("the help's length")?;
        Ok(Description {
            time,
            kind,
            label: body.text(label, "the label")?,
            unit: body.text(unit, "the unit")?,
            help: body.text(help, "the help")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_it_was_written() {
        let description = Description {
            time: u64::MAX,
            kind: 7,
            label: "größe".to_owned(),
            unit: "bytes".to_owned(),
            help: String::new(),
        };
        let record = description.encode().unwrap();
        let body = Bytes::new(&record[record::HEAD..], 0);
        assert_eq!(Description::decode(body).unwrap(), description);
        let help = "x".repeat(TEXT_MOST + 1);
        assert_eq!(
            Description {
                help,
                ..description
            }
            .encode(),
            None
        );
    }
}
