//! The entries of an error log, as a file has them.
//!
//! An entry is a part of the file (`format::part`) of one cell of two buffers, each of which has all that
//! the entry says:
//!
//! ```text
//! | count | first | last | context | lengths | flags | name, site, message, sources … |
//! ```
//!
//! A *message* entry is one distinct error. It is used again for another one when the log is full. A *total*
//! entry counts all errors of one name and place, and is kept for ever.
//!
//! # Why a reader never mixes two errors
//!
//! Counts and texts are words of one publication. The slot protocol (`format::slot`, unchanged, checked in
//! `tests/loom.rs`) gives a reader all words of one publication or none. A known error stores only the first
//! words: "Some words only" there asks that the others were the same in the last two publications, so a
//! new text is published twice, once into each buffer.

use std::collections::BTreeMap;

use crate::format::part::Shape;
use crate::metric::context::Reference;
use crate::metric::errors::text::Text;
use crate::metric::kind::Parts;
use crate::sys::memory::words::Width;

/// Buffers of a cell.
pub(in crate::metric) const BUFFERS: usize = 2;
/// Words at the begin of a buffer that change while the entry means the same: count, first time, last time,
/// context.
pub(in crate::metric) const CHANGING: usize = 4;
/// Words before the texts.
pub(in crate::metric) const FIXED: usize = CHANGING + 2;

/// Flag: it is a note.
pub(in crate::metric) const NOTE: u64 = 1;
/// Flag: it is a total.
pub(in crate::metric) const TOTAL: u64 = 2;

/// Most entries of either sort, of one log in one file.
pub(in crate::metric) const MOST: usize = 256;
/// Most totals of a log in a retired file that have a place. It sees many releases of a program, whose places
/// differ. Beyond them a total has no place; of those there may be as many again.
const FOLDED_MOST: usize = 1024;

/// A message: 2 KiB with the head of its record. All have one size, so that each fits into the part of each.
#[derive(Clone, Copy, Debug)]
pub(in crate::metric) struct MessageWidth;

impl Width for MessageWidth {
    const WORDS: usize = 123;
}

/// A total: 768 bytes with the head of its record.
#[derive(Clone, Copy, Debug)]
pub(in crate::metric) struct TotalWidth;

impl Width for TotalWidth {
    const WORDS: usize = 43;
}

/// The part of an entry with so many words.
pub(in crate::metric) fn shape_of(words: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: words as u16,
        plain: 0,
    }
}

pub(in crate::metric) static PARTS: Parts = Parts {
    is_part: |shape| {
        let words = usize::from(shape.words);
        shape == shape_of(words) && words >= FIXED
    },
    changing: CHANGING,
    fold: Some(fold_part),
};

/// Numbers of the plain words of the metric.
pub(in crate::metric) mod plain {
    /// All errors.
    pub const ALL: usize = 0;
    /// Those that no message ever had: the file had no space for any.
    pub const OVERFLOW: usize = 1;
    /// How many times a message was dropped for a new one.
    pub const EVICTED: usize = 2;
    /// Errors that no total has.
    pub const UNNAMED: usize = 3;
}

/// How many plain words there are.
pub(in crate::metric) const PLAIN: usize = 4;

/// Adds up what changes. A retired file has no contexts, and as many messages as any file: of more those
/// stay that came last.
fn fold_part(
    words: &mut [u64],
    into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
    fixed: &[u64],
    changing: &[u64],
) {
    let &[count, first, last, context] = changing else {
        return;
    };
    let context = match Reference(context) {
        Reference::NONE => Reference::NONE,
        _ => Reference::LOST,
    };
    let next = vec![count, first, last, context.0];
    if let Some(had) = into.get_mut(fixed) {
        had[0] = had[0].saturating_add(count);
        had[1] = had[1].min(first);
        if last > had[2] || had[3] == Reference::NONE.0 {
            had[3] = context.0;
        }
        had[2] = had[2].max(last);
        return;
    }
    let is_total = |fixed: &[u64]| fixed.get(1).is_some_and(|flags| flags & TOTAL != 0);
    let same = into
        .keys()
        .filter(|other| is_total(other) == is_total(fixed))
        .count();
    if is_total(fixed) {
        match Text::from_words(fixed) {
            _ if same < FOLDED_MOST => drop(into.insert(fixed.to_vec(), next)),
            // The count of its name goes on, whatever becomes of the place.
            Some(text) if !text.site.is_empty() => {
                let text = Text {
                    site: String::new(),
                    ..text
                };
                fold_part(words, into, &text.total_words(), &next);
            }
            _ if same < 2 * FOLDED_MOST => drop(into.insert(fixed.to_vec(), next)),
            _ => add(&mut words[plain::UNNAMED], count),
        }
        return;
    }
    if same < MOST {
        into.insert(fixed.to_vec(), next);
        return;
    }
    add(&mut words[plain::EVICTED], 1);
    let oldest = (into.iter())
        .filter(|(other, _)| !is_total(other))
        .min_by_key(|(_, changing)| changing[2])
        .map(|(other, changing)| (other.clone(), changing[2]));
    if let Some((oldest, its_last)) = oldest
        && its_last < last
    {
        into.remove(&oldest);
        into.insert(fixed.to_vec(), next);
    }
}

fn add(word: &mut u64, count: u64) {
    *word = word.saturating_add(count);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::format::bytes::words;

    /// Folds a total of one error, of a name and a site.
    fn fold(
        plain_words: &mut [u64; PLAIN],
        into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
        name: &str,
        site: &str,
    ) {
        let lengths = name.len() | site.len() << 16;
        let texts = [name, site].concat();
        let fixed: Vec<u64> = [lengths as u64, TOTAL]
            .into_iter()
            .chain(words(texts.as_bytes()))
            .collect();
        fold_part(plain_words, into, &fixed, &[1, 10, 20, 0]);
    }

    #[test]
    fn the_count_of_a_name_goes_on_when_a_retired_file_has_too_many_places() {
        let (mut plain_words, mut into) = ([0; PLAIN], BTreeMap::new());
        for place in 0..5_000 {
            fold(
                &mut plain_words,
                &mut into,
                "io::Error",
                &format!("a.rs:{place}:1"),
            );
        }
        assert_eq!(into.len(), FOLDED_MOST + 1);
        let count: u64 = into.values().map(|changing| changing[0]).sum();
        assert_eq!((count, plain_words[plain::UNNAMED]), (5_000, 0));
        // Names are bounded, too.
        for name in 0..2_000 {
            fold(
                &mut plain_words,
                &mut into,
                &format!("name {name}"),
                "a.rs:1:1",
            );
        }
        assert_eq!(into.len(), 2 * FOLDED_MOST);
        let count: u64 = into.values().map(|changing| changing[0]).sum();
        assert_eq!(count + plain_words[plain::UNNAMED], 7_000);
    }
}
