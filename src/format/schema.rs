//! Schemas: the names, kinds and places of the values of an instance.
//!
//! The body of a schema record, after the record's head (8 bytes):
//!
//! ```text
//!   8  u32  bytes of a block of this schema
//!  12  u32  number of metrics
//!  16  u16  length of the model's name
//!  18  u16  length of the model's help
//!  20  u16  length of the model's type
//!  22  u16  1 + length of the exported prefix, 0: the model's name is
//!  24  name, help, type, zeros to a multiple of 8, then the metrics, then the exported prefix; a metric:
//!
//!   0  u32  bytes of this entry, a multiple of 8
//!   4  u16  kind
//!   6  u8   scalar type, 0: none
//!   7  u8   merge rule
//!   8  u32  offset of the metric's place in a block, a multiple of 8
//!  12  u16  buffers of the slot: a power of two in 2..=64, or 0: there is no slot
//!  14  u16  words of a buffer
//!  16  u16  plain words after the slot
//!  18  u16  number of fields
//!  20  u32  parameter of the kind
//!  24  u16  length of the label
//!  26  u16  length of the unit
//!  28  u16  length of the help
//!  30  u16  number of fields that are counters
//!  32  label, unit, help, then the fields, then the number of each counter (u16), then zeros; a field:
//!
//!   0  u8   scalar type
//!   1  u8   merge rule
//!   2  u16  numbers in the array, 0: not an array
//!   4  u16  offset in the value, in bytes
//!   6  u16  length of the name
//!   8  name
//! ```
//!
//! A metric's place is `[sequence, buffers × words] , plain words`. So a reader can copy the values of a kind
//! that it does not know.

use std::fmt;
use std::sync::Arc;

use super::bytes::{Bytes, Malformed, TEXT_MOST, cut, pad};
use super::record::{self, Type};
use super::scalar::Scalar;
use super::slot;

/// How the values of one label in several files are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Merge {
    /// The sum.
    #[default]
    Sum = 0,
    /// The largest value.
    Max = 1,
    /// The smallest value.
    Min = 2,
    /// The mean.
    Mean = 3,
    /// The value of the file created last.
    Latest = 4,
}

impl Merge {
    /// The rule with this code, if there is one.
    pub const fn from_code(code: u8) -> Option<Merge> {
        Some(match code {
            0 => Merge::Sum,
            1 => Merge::Max,
            2 => Merge::Min,
            3 => Merge::Mean,
            4 => Merge::Latest,
            _ => return None,
        })
    }
}

/// The name as in the attribute `merge = "…"`: `sum`, `max`, `min`, `mean` or `latest`.
impl fmt::Display for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Merge::Sum => "sum",
            Merge::Max => "max",
            Merge::Min => "min",
            Merge::Mean => "mean",
            Merge::Latest => "latest",
        })
    }
}

/// The place of a metric in a block: a slot (or none), and plain words after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Buffers of the slot; 0 if there is none.
    pub buffers: u16,
    /// Words of each buffer.
    pub words: u16,
    /// Words after the slot, each a value of its own.
    pub plain: u16,
}

impl Geometry {
    /// One word and no slot, for a value of at most 8 bytes.
    pub const WORD: Geometry = Geometry {
        buffers: 0,
        words: 0,
        plain: 1,
    };

    /// A slot of two buffers (or as many as given), and nothing else.
    pub const fn slot(words: usize, buffers: Option<u16>) -> Geometry {
        let buffers = match buffers {
            Some(n) => n,
            None => 2,
        };
        Geometry {
            buffers,
            words: words as u16,
            plain: 0,
        }
    }

    /// Words of the slot with its sequence.
    pub const fn slot_words(self) -> usize {
        if self.buffers == 0 {
            0
        } else {
            1 + self.buffers as usize * self.words as usize
        }
    }

    /// Words of the whole place.
    pub const fn total_words(self) -> usize {
        self.slot_words() + self.plain as usize
    }

    /// Words of one whole value: a buffer and the plain words.
    pub const fn value_words(self) -> usize {
        (if self.buffers == 0 {
            0
        } else {
            self.words as usize
        }) + self.plain as usize
    }
}

/// One metric of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSchema {
    /// Its name within its group; empty if it is that of the group itself.
    pub label: String,
    /// Its unit, or empty.
    pub unit: String,
    /// Its help text, a sentence, or empty.
    pub help: String,
    /// Code of its kind.
    pub kind: u16,
    /// Type of its numbers, if the kind has any.
    pub scalar: Option<Scalar>,
    /// How values of several files are merged.
    pub merge: Merge,
    /// Where its place begins in a block, in bytes.
    pub offset: u32,
    /// Its place.
    pub geometry: Geometry,
    /// A number whose meaning depends on the kind: digits of a percentile, bytes of a text.
    pub parameter: u32,
    /// The fields of a compound value.
    pub fields: Arc<[FieldSchema]>,
}

/// One field of a compound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSchema {
    /// Its name.
    pub name: String,
    /// Its type.
    pub scalar: Scalar,
    /// Length of the array; `None` if it is not an array.
    pub count: Option<u16>,
    /// Where it begins in the value, in bytes.
    pub offset: u16,
    /// How values of several files are merged.
    pub merge: Merge,
    /// Whether its numbers only rise, like a counter.
    pub counter: bool,
}

/// The whole label of a metric with this label in an instance whose labels begin with `prefix`.
pub fn whole_label(prefix: &str, label: &str) -> String {
    match label {
        "" => prefix.strip_suffix('.').unwrap_or(prefix).to_owned(),
        _ => format!("{prefix}{label}"),
    }
}

/// Describes a block of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Name of the model that it describes.
    pub model: String,
    /// Help text of the model, a sentence, or empty.
    pub help: String,
    /// The path of the model's type in its program, or empty. It distinguishes two models with the same name.
    pub type_path: String,
    /// What exporters put in front of the names of the model's metrics, if not its name.
    pub export: Option<String>,
    /// Bytes of a block.
    pub block: u32,
    /// The metrics, in the order of declaration.
    pub metrics: Vec<MetricSchema>,
}

/// Bytes of a metric's entry before its texts.
const ENTRY: usize = 32;

impl Schema {
    /// Adds a metric after the last one; its `offset` is set here.
    pub fn push(&mut self, mut metric: MetricSchema) {
        metric.offset = self.block;
        self.block += 8 * metric.geometry.total_words() as u32;
        self.metrics.push(metric);
    }

    /// The bytes of the schema's record.
    pub fn encode(&self) -> Vec<u8> {
        let texts = [&self.model, &self.help, &self.type_path].map(|text| cut(text, TEXT_MOST));
        let mut out = record::begin(Type::Schema);
        out.extend(self.block.to_le_bytes());
        out.extend((self.metrics.len() as u32).to_le_bytes());
        for text in texts {
            out.extend((text.len() as u16).to_le_bytes());
        }
        let export = self.export.as_deref().map(|export| cut(export, TEXT_MOST));
        let export_len = export.map_or(0, |export| 1 + export.len() as u16);
        out.extend(export_len.to_le_bytes());
        for text in texts {
            out.extend(text.as_bytes());
        }
        pad(&mut out, 8);
        for metric in &self.metrics {
            metric.encode(&mut out);
        }
        // Last, so that readers that do not know it ignore it.
        out.extend(export.unwrap_or_default().as_bytes());
        record::end(out)
    }

    /// Decodes the body of a schema record, without its head. An invalid entry (for example with a field type
    /// of a later version) affects only its own metric: its kind and the problem are returned beside the
    /// schema.
    pub fn decode(mut body: Bytes<'_>) -> Result<(Schema, Vec<(u16, Malformed)>), Malformed> {
        let block = body.u32("the block's length")?;
        let count = body.u32("the number of metrics")? as usize;
        let model = body.u16("the name's length")?;
        let help = body.u16("the help's length")?;
        let type_path = body.u16("the type's length")?;
        let export = body.u16("the exported prefix's length")?;
        let mut schema = Schema {
            model: body.text(model.into(), "the model's name")?,
            help: body.text(help.into(), "the model's help")?,
            type_path: body.text(type_path.into(), "the model's type")?,
            export: None,
            block,
            // The allocation is bounded by the bytes that are there, because an entry has at least 32.
            metrics: Vec::with_capacity(count.min(body.left() / ENTRY)),
        };
        body.align(8, "padding")?;
        if block % 8 != 0 {
            return Err(body.error(format!("block of {block} bytes, not a multiple of 8")));
        }
        let mut wrong = Vec::new();
        for _ in 0..count {
            let len = body.clone().u32("the entry's length")? as usize;
            if len < ENTRY {
                // The start of the next entry is not known. (And with a length of 0 the loop would never
                // advance.)
                return Err(body.error(format!("an entry of {len} bytes, fewer than {ENTRY}")));
            }
            let mut entry = body.part(len, "the entry")?;
            entry.u32("the entry's length")?;
            let kind = entry.u16("the kind")?;
            match MetricSchema::decode(kind, entry, block) {
                Ok(metric) => schema.metrics.push(metric),
                Err(problem) => wrong.push((kind, problem)),
            }
        }
        if let Some(len) = usize::from(export).checked_sub(1) {
            schema.export = Some(body.text(len, "the exported prefix")?);
        }
        Ok((schema, wrong))
    }
}

impl MetricSchema {
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let texts = [&self.label, &self.unit, &self.help].map(|text| cut(text, TEXT_MOST));
        out.extend(0u32.to_le_bytes());
        out.extend(self.kind.to_le_bytes());
        out.push(self.scalar.map_or(0, |scalar| scalar as u8));
        out.push(self.merge as u8);
        out.extend(self.offset.to_le_bytes());
        for n in [
            self.geometry.buffers,
            self.geometry.words,
            self.geometry.plain,
        ] {
            out.extend(n.to_le_bytes());
        }
        out.extend((self.fields.len() as u16).to_le_bytes());
        out.extend(self.parameter.to_le_bytes());
        for text in texts {
            out.extend((text.len() as u16).to_le_bytes());
        }
        let fields = self.fields.iter().zip(0u16..);
        let counters = fields.filter_map(|(field, number)| field.counter.then_some(number));
        out.extend((counters.clone().count() as u16).to_le_bytes());
        for text in texts {
            out.extend(text.as_bytes());
        }
        for field in self.fields.iter() {
            let name = cut(&field.name, TEXT_MOST);
            out.extend([field.scalar as u8, field.merge as u8]);
            out.extend(field.count.unwrap_or(0).to_le_bytes());
            out.extend(field.offset.to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(name.as_bytes());
        }
        out.extend(counters.flat_map(u16::to_le_bytes));
        pad(out, 8);
        let len = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    /// Decodes an entry from the bytes after its kind.
    fn decode(kind: u16, mut entry: Bytes<'_>, block: u32) -> Result<MetricSchema, Malformed> {
        let scalar = Scalar::from_code(entry.u8("the scalar type")?);
        let rule = entry.u8("the merge rule")?;
        let offset = entry.u32("the offset")?;
        let geometry = Geometry {
            buffers: entry.u16("the number of buffers")?,
            words: entry.u16("the words of a buffer")?,
            plain: entry.u16("the plain words")?,
        };
        let fields = entry.u16("the number of fields")?;
        let parameter = entry.u32("the parameter")?;
        let label = entry.u16("the label's length")?;
        let unit = entry.u16("the unit's length")?;
        let help = entry.u16("the help's length")?;
        let counters = entry.u16("the number of counters")?;
        let buffers = usize::from(geometry.buffers);
        if buffers != 0 && (!slot::BUFFERS.contains(&buffers) || !buffers.is_power_of_two()) {
            return Err(entry.error(format!(
                "{buffers} buffers, not 0 or a power of two in {:?}",
                slot::BUFFERS
            )));
        }
        let end = u64::from(offset) + 8 * geometry.total_words() as u64;
        if offset % 8 != 0 || end > u64::from(block) {
            return Err(entry.error(format!(
                "a metric at bytes {offset}..{end} of a block of {block}"
            )));
        }
        let label = entry.text(label.into(), "the label")?;
        // An unknown rule is not treated as a sum: a wrong value is worse than none.
        let merge = Merge::from_code(rule)
            .ok_or_else(|| entry.error(format!("{label:?} with the unknown merge rule {rule}")))?;
        let mut metric = MetricSchema {
            label,
            unit: entry.text(unit.into(), "the unit")?,
            help: entry.text(help.into(), "the help")?,
            kind,
            scalar,
            merge,
            offset,
            geometry,
            parameter,
            fields: Arc::default(),
        };
        if fields > 0 {
            let value = 8 * usize::from(geometry.words);
            let mut fields = (0..fields)
                .map(|_| FieldSchema::decode(&mut entry, value))
                .collect::<Result<Vec<_>, _>>()?;
            for _ in 0..counters {
                let number = entry.u16("the number of a counter")?;
                match fields.get_mut(usize::from(number)) {
                    Some(field) => field.counter = true,
                    None => {
                        let fields = fields.len();
                        return Err(entry.error(format!("field {number} of {fields} as a counter")));
                    }
                }
            }
            metric.fields = fields.into();
        }
        Ok(metric)
    }
}

impl FieldSchema {
    fn decode(entry: &mut Bytes<'_>, value: usize) -> Result<FieldSchema, Malformed> {
        let scalar = entry.u8("the field's type")?;
        let rule = entry.u8("the field's merge rule")?;
        let count = entry.u16("the field's count")?;
        let offset = entry.u16("the field's offset")?;
        let name = entry.u16("the field's name length")?;
        let name = entry.text(name.into(), "the field's name")?;
        let scalar = Scalar::from_code(scalar)
            .filter(|scalar| scalar.size() > 0)
            .ok_or_else(|| entry.error(format!("field {name:?} of unknown type {scalar}")))?;
        let merge = Merge::from_code(rule).ok_or_else(|| {
            entry.error(format!("field {name:?} with the unknown merge rule {rule}"))
        })?;
        let end = usize::from(offset) + scalar.size() * usize::from(count.max(1));
        if end > value {
            return Err(entry.error(format!(
                "field {name:?} at bytes {offset}..{end} of a value of {value}"
            )));
        }
        Ok(FieldSchema {
            name,
            scalar,
            count: (count > 0).then_some(count),
            offset,
            merge,
            counter: false,
        })
    }
}
