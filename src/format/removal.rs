//! Finds a group among the records of a file and ends it there. A thread does this in the files of the other
//! threads of its process.

use super::generation::{self, is_there};
use super::labels::{self, LABELS_MOST, Labels, PAIR};
use super::record::{FIXED_FOR_EVER, HEAD, Head, Instance, Type};
use crate::sync::{AtomicU64, Ordering};

/// A group that is to end.
#[derive(Debug)]
pub struct EndedGroup {
    /// The record of its schema.
    pub schema: Vec<u64>,
    /// Its record from byte [`FIXED_FOR_EVER`] to the end of the texts, padded with zeros.
    pub texts: Vec<u64>,
    /// What the groups within it have in common; `None` if there are none.
    pub within: Option<NestedGroups>,
}

/// What the groups within a group have in common.
#[derive(Debug)]
pub struct NestedGroups(Vec<Common>);

/// What some of the groups within a group have in common: the start of their prefixes, and some of their
/// labels.
#[derive(Debug)]
struct Common {
    prefix: String,
    labels: Labels,
}

impl NestedGroups {
    /// What the groups within this one have in common. They have all of its labels. If it has a name, the
    /// name is in front of theirs, or is a label of those that go by labels.
    pub fn of(group: &Instance) -> NestedGroups {
        let by_labels = |labels| Common {
            prefix: group.prefix.clone(),
            labels,
        };
        if group.group.is_empty() {
            return NestedGroups(vec![by_labels(group.labels.clone())]);
        }
        let key = labels::key_of_name(&group.labels).to_owned();
        let in_front = Common {
            prefix: group.label_prefix(),
            labels: Labels::new(),
        };
        NestedGroups(vec![in_front, by_labels(vec![(key, group.group.clone())])])
    }

    /// Whether a group is one of them. Labels alone do not show whether a group is within this one, or is a
    /// sibling with further labels. A sibling has the same schema and is not one of them.
    pub fn has(&self, inner: &Instance, same_schema: bool) -> bool {
        (self.0.iter()).any(|common| common.has(inner, same_schema))
    }

    /// [`has`](Self::has) for the texts of a record. It allocates nothing, because the caller holds a lock
    /// that an allocator may need.
    fn has_texts(&self, texts: Texts<'_>, same_schema: impl Fn() -> bool) -> bool {
        (self.0.iter()).any(|common| common.has_texts(texts, &same_schema))
    }
}

impl Common {
    fn has(&self, inner: &Instance, same_schema: bool) -> bool {
        let by_labels = || {
            !same_schema
                && inner.group.is_empty()
                && inner.labels.len() > self.labels.len()
                && self.labels.iter().all(|pair| inner.labels.contains(pair))
        };
        inner.prefix.starts_with(&self.prefix) && (self.labels.is_empty() || by_labels())
    }

    fn has_texts(&self, texts: Texts<'_>, same_schema: impl Fn() -> bool) -> bool {
        let prefix = texts.number(0);
        if prefix < self.prefix.len() || !texts.is_at(8, &self.prefix) {
            return false;
        }
        if self.labels.is_empty() {
            return true;
        }
        let (group, count) = (texts.number(2), texts.number(4));
        if group != 0
            || texts.number(6) != 0
            || !(self.labels.len() + 1..=LABELS_MOST).contains(&count)
        {
            return false;
        }
        let table = 8 + prefix;
        let mut at = table + PAIR * count;
        let mut found = 0;
        for index in 0..count {
            let (key, value) = (
                texts.number(table + PAIR * index),
                texts.number(table + PAIR * index + 2),
            );
            let is_here = |(k, v): &(String, String)| {
                (k.len(), v.len()) == (key, value) && texts.is_at(at, k) && texts.is_at(at + key, v)
            };
            found += usize::from(self.labels.iter().any(is_here));
            at += key + value;
        }
        found == self.labels.len() && !same_schema()
    }
}

/// The bytes of a record from [`FIXED_FOR_EVER`] up to its generation.
#[derive(Clone, Copy)]
struct Texts<'a>(&'a [AtomicU64]);

impl Texts<'_> {
    /// The byte at `at`; 0 past the end.
    fn byte(self, at: usize) -> u8 {
        // Relaxed, as in `load`.
        let word = self
            .0
            .get(at / 8)
            .map_or(0, |word| word.load(Ordering::Relaxed));
        word.to_le_bytes()[at % 8]
    }

    /// The two-byte number at `at`.
    fn number(self, at: usize) -> usize {
        u16::from_le_bytes([self.byte(at), self.byte(at + 1)]).into()
    }

    /// Whether this text is at `at`.
    fn is_at(self, at: usize, text: &str) -> bool {
        at + text.len() <= 8 * self.0.len()
            && (at..)
                .zip(text.bytes())
                .all(|(at, byte)| self.byte(at) == byte)
    }
}

/// Ends the group, and those within it, in a file with these words, up to byte `committed`. Returns whether
/// the group was there.
///
/// The records are not trusted: this process has written them, but others may have written to them, too.
pub fn end_in(words: &[AtomicU64], header: usize, committed: usize, ended: &EndedGroup) -> bool {
    let mut any = false;
    let committed = committed.min(8 * words.len());
    let mut at = header;
    while at.is_multiple_of(8) && at + HEAD <= committed {
        let bytes = load(words, at).to_le_bytes();
        let Ok(head) = Head::decode(&bytes, at as u64, (committed - at) as u64) else {
            break;
        };
        if head.kind == Some(Type::Instance) && head.has_generation {
            any |= end_record(words, at, head.len, ended);
        }
        at += head.len;
    }
    any
}

/// Ends the instance of the record at `at` if it is the group, or within it. Returns true if it was the group
/// and has ended now.
fn end_record(words: &[AtomicU64], at: usize, len: usize, ended: &EndedGroup) -> bool {
    if len < FIXED_FOR_EVER {
        return false;
    }
    let places = load(words, at + HEAD);
    let (schema, block) = (places as u32 as usize, (places >> 32) as usize);
    let texts = at + FIXED_FOR_EVER;
    if !block.is_multiple_of(8) || block < texts + 16 || block > at + len {
        return false;
    }
    let (word, room) = (&words[block / 8 - 1], (block - 8 - texts) / 8);
    // Relaxed, then the fence: the first look. The exchange in `remove` is the second look.
    let known = word.load(Ordering::Relaxed);
    generation::after_first_look();
    if !is_there(known) {
        return false;
    }
    let same_schema = || is_schema(words, schema, at, &ended.schema);
    let is_it = ended.texts.len() <= room && is_at(words, texts, &ended.texts) && same_schema();
    let is_within = || {
        let texts = Texts(&words[texts / 8..][..room]);
        let within = ended.within.as_ref();
        within.is_some_and(|within| within.has_texts(texts, same_schema))
    };
    let ended = (is_it || is_within()) && generation::remove(word, known);
    ended && is_it
}

/// Whether this record is at byte `schema`, and ends at or before `end`.
fn is_schema(words: &[AtomicU64], schema: usize, end: usize, record: &[u64]) -> bool {
    schema.is_multiple_of(8) && schema + 8 * record.len() <= end && is_at(words, schema, record)
}

/// Whether these words are at byte `at`.
fn is_at(words: &[AtomicU64], at: usize, wanted: &[u64]) -> bool {
    let mut wanted = wanted.iter().enumerate();
    wanted.all(|(index, word)| load(words, at + 8 * index) == *word)
}

/// The word at byte `at`. Relaxed: words that change are read between two looks at a generation, and the
/// others were complete when they were committed.
fn load(words: &[AtomicU64], at: usize) -> u64 {
    words[at / 8].load(Ordering::Relaxed)
}
