//! Records: the append-only list after the header.
//!
//! Every record begins at a multiple of 8 with
//!
//! ```text
//!   0  u32  bytes of the record with this head, a multiple of 8
//!   4  u16  type: 1 schema, 2 instance, 3 octave, 4 retired, 6 extent, 7 note, 8 description; a reader skips the
//!           others
//!   6  u16  flags: bit 0, must be understood: a reader that does not know the type reads no further;
//!           bit 1, of an instance: it has a generation
//! ```
//!
//! The body of an instance record, in which values and metadata are separate:
//!
//! ```text
//!   8  u32  offset of its schema record in the file, below this record's
//!  12  u32  offset of its block of values in the file, inside this record, a multiple of 64
//!  16  u16  length of the prefix
//!  18  u16  length of the group's name, 0: not a group
//!  20  u32  number of label pairs
//!  24  prefix, group, the pairs (see [`labels`](super::labels))
//! ```
//!
//! The names of its series are `<prefix><group>.<metric>`, or `<prefix><metric>` without a group, followed by
//! `{key="value",…}` if there are pairs. Beside a group's name the key of a pair is what exporters call the
//! group.
//!
//! With a generation (see [`generation`](super::generation)) the last 8 bytes before the block are the
//! generation, and everything from byte 16 up to it may change.
//!
//! The body of an octave record (see [`histogram`](super::histogram)):
//!
//! ```text
//!   8  u32  offset in the file of the place of the metric that it belongs to
//!  12  u32  number of the octave
//!  16  u32  offset of its counts in the file, inside this record, a multiple of 64
//!  20  u32  number of counts, one word each
//! ```

use super::bytes::{Bytes, Malformed, TEXT_MOST, cut, pad};
use super::labels::{self, Labels};
use super::{LINE, round_up};

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Type {
    /// Labels, kinds and places of a model's metrics.
    Schema = 1,
    /// A group, or the model itself: a block of values.
    Instance = 2,
    /// Counts of one octave of a histogram.
    Octave = 3,
    /// What was folded into a retired file.
    Retired = 4,
    /// Further space of a metric: see [`extent`](super::extent).
    Extent = 6,
    /// What the file does not record, and why: see [`note`](super::note).
    Note = 7,
    /// Help text and unit of a metric: see [`description`](super::description).
    Description = 8,
}

/// Bytes of a record's head.
pub const HEAD: usize = 8;

/// The flag of a record that a reader must understand in order to read the others. A reader that does not
/// know retired files would count the files that they name twice.
const MUST_BE_UNDERSTOOD: u16 = 1;

/// The flag of an instance that has a generation.
const HAS_GENERATION: u16 = 2;

/// Bytes at the start of an instance's record that do not change when its space is used again.
pub const FIXED_FOR_EVER: usize = 16;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the record, head included.
    pub len: usize,
    /// Its type; `None` if this version does not know it.
    pub kind: Option<Type>,
    /// Whether it is an instance that has a generation.
    pub has_generation: bool,
}

impl Head {
    /// Decodes the head of the record at offset `at` of a file. From there on `left` bytes are committed.
    pub fn decode(head: &[u8], at: u64, left: u64) -> Result<Head, Malformed> {
        let mut bytes = Bytes::new(head, at);
        let len = bytes.u32("the record's length")?;
        let code = bytes.u16("the record's type")?;
        let flags = bytes.u16("the record's flags")?;
        let kind = match code {
            1 => Some(Type::Schema),
            2 => Some(Type::Instance),
            3 => Some(Type::Octave),
            4 => Some(Type::Retired),
            6 => Some(Type::Extent),
            7 => Some(Type::Note),
            8 => Some(Type::Description),
            _ => None,
        };
        if (len as usize) < HEAD || len % 8 != 0 || u64::from(len) > left {
            return Err(Malformed {
                offset: at,
                what: format!("a record of {len} bytes, but only {left} are committed"),
            });
        }
        if kind.is_none() && flags & MUST_BE_UNDERSTOOD != 0 {
            return Err(Malformed {
                offset: at,
                what: format!(
                    "a record of the unknown type {code}, which must be understood: read it with a newer mmstats"
                ),
            });
        }
        Ok(Head {
            len: len as usize,
            kind,
            has_generation: kind == Some(Type::Instance) && flags & HAS_GENERATION != 0,
        })
    }
}

/// The start of a record of this type; its length is set by [`end`].
pub fn begin(kind: Type) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend(0u32.to_le_bytes());
    out.extend((kind as u16).to_le_bytes());
    let flags = match kind {
        Type::Retired => MUST_BE_UNDERSTOOD,
        Type::Schema
        | Type::Instance
        | Type::Octave
        | Type::Extent
        | Type::Note
        | Type::Description => 0,
    };
    out.extend(flags.to_le_bytes());
    out
}

/// Pads a record to a multiple of 8 and sets its length.
pub fn end(mut out: Vec<u8>) -> Vec<u8> {
    pad(&mut out, 8);
    let len = out.len() as u32;
    out[..4].copy_from_slice(&len.to_le_bytes());
    out
}

/// An instance: a block of values, and its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Offset of the schema record.
    pub schema: u32,
    /// Offset of the block of values.
    pub block: u32,
    /// The start of every label.
    pub prefix: String,
    /// Name of the group; empty if there is none.
    pub group: String,
    /// Its labels, by key.
    pub labels: Labels,
}

/// An octave of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octave {
    /// Offset of the metric's place.
    pub owner: u32,
    /// Number of the octave.
    pub octave: u32,
    /// Offset of the counts.
    pub counts: u32,
    /// Number of counts.
    pub len: u32,
}

/// A record with values: its metadata, and where its values lie.
#[derive(Debug)]
pub struct PlacedRecord {
    /// The bytes of the record up to its values.
    pub metadata: Vec<u8>,
    /// Offset of the values in the file.
    pub values: usize,
    /// Offset of the record's end in the file.
    pub end: usize,
}

/// Returns where `words` words of values lie in a record that begins at `at` of the file, and where the
/// record ends. The values begin on a line of their own; with `stagger` on one whose number modulo `lines` is
/// `line`.
pub(super) fn place(
    at: usize,
    metadata: usize,
    words: usize,
    stagger: Option<Stagger>,
) -> (usize, usize) {
    let mut values = round_up(at + metadata, LINE);
    if let Some(Stagger { line, lines }) = stagger {
        let (line, now) = (line % lines, values / LINE % lines);
        values += LINE * ((line + lines - now) % lines);
    }
    (values, round_up(values + 8 * words, LINE))
}

/// The cache line, modulo a power of two, on which a block should begin.
///
/// The values of several models that one thread writes must not lie at the same offset of their pages. The
/// processor compares only the low 12 bits of an address when it looks for earlier stores, so 16 counters at
/// one offset cost ten times as much as 16 on different lines.
#[derive(Clone, Copy, Debug)]
pub struct Stagger {
    /// The line.
    pub line: usize,
    /// The modulus.
    pub lines: usize,
}

impl Instance {
    /// The record of an instance with `words` words of values that begins at `at`. `self.block` is ignored;
    /// the record states where the values were placed.
    pub fn encode(&self, at: usize, words: usize, stagger: Option<Stagger>) -> PlacedRecord {
        self.encode_with(at, words, stagger, false)
    }

    /// [`encode`](Self::encode) for a group that can be removed: the record has a generation, which is 0.
    pub fn encode_removable(
        &self,
        at: usize,
        words: usize,
        stagger: Option<Stagger>,
    ) -> PlacedRecord {
        self.encode_with(at, words, stagger, true)
    }

    fn encode_with(
        &self,
        at: usize,
        words: usize,
        stagger: Option<Stagger>,
        has_generation: bool,
    ) -> PlacedRecord {
        let (prefix, group) = (cut(&self.prefix, TEXT_MOST), cut(&self.group, TEXT_MOST));
        let mut out = begin(Type::Instance);
        let texts = prefix.len() + group.len() + labels::encoded_len(&self.labels);
        let generation = if has_generation {
            out[6..8].copy_from_slice(&HAS_GENERATION.to_le_bytes());
            8
        } else {
            0
        };
        let (values, end) = place(at, 24 + texts + generation, words, stagger);
        out.extend(self.schema.to_le_bytes());
        out.extend((values as u32).to_le_bytes());
        out.extend((prefix.len() as u16).to_le_bytes());
        out.extend((group.len() as u16).to_le_bytes());
        out.extend((self.labels.len() as u32).to_le_bytes());
        out.extend(prefix.as_bytes());
        out.extend(group.as_bytes());
        labels::encode(&self.labels, &mut out);
        placed(out, at, values, end)
    }

    /// Decodes the body of an instance record.
    pub fn decode(mut body: Bytes<'_>) -> Result<Instance, Malformed> {
        let schema = body.u32("the schema's offset")?;
        let block = body.u32("the block's offset")?;
        let prefix = body.u16("the prefix's length")?;
        let group = body.u16("the group's length")?;
        let pairs = body.u32("the number of labels")?;
        Ok(Instance {
            schema,
            block,
            prefix: body.text(prefix.into(), "the prefix")?,
            group: body.text(group.into(), "the group's name")?,
            labels: labels::decode(&mut body, pairs)?,
        })
    }

    /// Bytes of the record up to the end of its texts.
    pub fn metadata_len(&self) -> usize {
        24 + self.prefix.len() + self.group.len() + labels::encoded_len(&self.labels)
    }

    /// The start of the labels of this instance.
    pub fn label_prefix(&self) -> String {
        if self.group.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}{}.", self.prefix, self.group)
        }
    }

    /// The end of the labels of this instance: its pairs, unless it has a group name.
    pub fn label_suffix(&self) -> String {
        let mut suffix = String::new();
        if self.group.is_empty() {
            labels::write_text(&self.labels, &mut suffix);
        }
        suffix
    }
}

impl Octave {
    /// The record of an octave that begins at `at`. `self.counts` is ignored; the record states where the
    /// counts were placed.
    pub fn encode(&self, at: usize) -> PlacedRecord {
        let mut out = begin(Type::Octave);
        let (values, end) = place(at, 24, self.len as usize, None);
        out.extend(self.owner.to_le_bytes());
        out.extend(self.octave.to_le_bytes());
        out.extend((values as u32).to_le_bytes());
        out.extend(self.len.to_le_bytes());
        placed(out, at, values, end)
    }

    /// Decodes the body of an octave record.
    pub fn decode(mut body: Bytes<'_>) -> Result<Octave, Malformed> {
        Ok(Octave {
            owner: body.u32("the owner's offset")?,
            octave: body.u32("the octave")?,
            counts: body.u32("the counts' offset")?,
            len: body.u32("the number of counts")?,
        })
    }
}

/// The record whose values were placed.
pub(super) fn placed(mut metadata: Vec<u8>, at: usize, values: usize, end: usize) -> PlacedRecord {
    metadata[..4].copy_from_slice(&((end - at) as u32).to_le_bytes());
    PlacedRecord {
        metadata,
        values,
        end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_on_the_line_that_was_asked_for() {
        let instance = Instance {
            schema: 192,
            block: 0,
            prefix: "web.".into(),
            group: "index".into(),
            labels: vec![("key".into(), "value".into())],
        };
        for line in 0..40 {
            let stagger = Stagger { line, lines: 32 };
            let placed = instance.encode(776, 3, Some(stagger));
            assert_eq!(placed.values / LINE % 32, line % 32);
            assert_eq!(placed.values % LINE, 0);
            assert!(placed.values >= 776 + placed.metadata.len());
            let head = Head::decode(&placed.metadata, 776, 1 << 20).unwrap();
            assert_eq!(
                head,
                Head {
                    len: placed.end - 776,
                    kind: Some(Type::Instance),
                    has_generation: false,
                }
            );
            let read = Instance::decode(Bytes::new(&placed.metadata[HEAD..], 784)).unwrap();
            assert_eq!(
                read,
                Instance {
                    block: placed.values as u32,
                    ..instance.clone()
                }
            );
            assert_eq!(read.label_prefix(), "web.index.");
            assert_eq!(read.label_suffix(), "");
            let group = String::new();
            let unnamed = Instance { group, ..read };
            assert_eq!(unnamed.label_prefix(), "web.");
            assert_eq!(unnamed.label_suffix(), "{key=\"value\"}");
        }
    }

    #[test]
    fn heads_that_lie_are_refused() {
        let head = |len: u32| [&len.to_le_bytes()[..], &[1, 0, 0, 0]].concat();
        for len in [0, 4, 12, 48, u32::MAX] {
            assert!(Head::decode(&head(len), 0, 40).is_err(), "{len}");
        }
        assert!(Head::decode(&head(40), 0, 40).is_ok());
    }

    #[test]
    fn an_unknown_record_can_be_skipped_unless_it_must_be_understood() {
        let head = |code: u8, flags: u8| Head::decode(&[8, 0, 0, 0, code, 0, flags, 0], 0, 40);
        for flags in [0, 2, 0xfe] {
            assert_eq!(head(9, flags).unwrap().kind, None);
        }
        for flags in [1, 0xff] {
            assert!(head(9, flags).is_err());
            assert!(head(1, flags).is_ok(), "a known type");
        }
    }
}
