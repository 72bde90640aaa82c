//! Finding a group among the records of a file, to end it there: what a thread does in the files of the other
//! threads of its process.

use super::generation::{self, is_there};
use super::record::{FIXED_FOR_EVER, HEAD, Head, Type};
use crate::sync::{AtomicU64, Ordering};

/// A group that ends.
#[derive(Debug)]
pub struct Ended {
    /// The record of its schema.
    pub schema: Vec<u64>,
    /// Its record from byte [`FIXED_FOR_EVER`] on, as far as the texts go, then zeros.
    pub texts: Vec<u64>,
    /// What the labels of the groups within it begin with; empty: there are none.
    pub within: Vec<u8>,
}

/// Ends the group, and those within it, in a file whose words are these, up to byte `committed`. Whether it was
/// there.
///
/// Nothing of the records is believed: this process has written them, but others may have, too.
pub fn end_in(words: &[AtomicU64], header: usize, committed: usize, ended: &Ended) -> bool {
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

/// Ends the instance of the record at `at` if it is the group, or within it. Whether it is the group.
fn end_record(words: &[AtomicU64], at: usize, len: usize, ended: &Ended) -> bool {
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
    // Relaxed, then the fence: the first look. The exchange of `remove` is the second one.
    let known = word.load(Ordering::Relaxed);
    generation::after_first_look();
    if !is_there(known) {
        return false;
    }
    let is_it = ended.texts.len() <= room
        && is_at(words, texts, &ended.texts)
        && is_schema(words, schema, at, &ended.schema);
    let is_within = || {
        let prefix = load(words, texts) as u16 as usize;
        let most = ended.within.len();
        most > 0 && prefix >= most && most.div_ceil(8) < room && {
            let start = (texts / 8 + 1..).map(|word| load(words, 8 * word));
            let mut start = start.flat_map(u64::to_le_bytes);
            ended.within.iter().all(|byte| start.next() == Some(*byte))
        }
    };
    let ended = (is_it || is_within()) && generation::remove(word, known);
    ended && is_it
}

/// Whether the record at byte `schema`, which is before `end`, is this one.
fn is_schema(words: &[AtomicU64], schema: usize, end: usize, record: &[u64]) -> bool {
    schema.is_multiple_of(8) && schema + 8 * record.len() <= end && is_at(words, schema, record)
}

/// Whether these words are at byte `at`.
fn is_at(words: &[AtomicU64], at: usize, wanted: &[u64]) -> bool {
    let mut wanted = wanted.iter().enumerate();
    wanted.all(|(index, word)| load(words, at + 8 * index) == *word)
}

/// The word at byte `at`. Relaxed: what changes is between two looks at a generation, what does not was complete
/// when it was committed.
fn load(words: &[AtomicU64], at: usize) -> u64 {
    words[at / 8].load(Ordering::Relaxed)
}
