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
use std::error::Error;
use std::fmt::{self, Write};
use std::panic::Location;

use super::context::Reference;
use super::kind::Parts;
use crate::format::bytes::words;
use crate::format::part::Shape;
use crate::sys::words::Width;

/// Buffers of a cell.
pub(super) const BUFFERS: usize = 2;
/// Words at the begin of a buffer that change while the entry means the same: count, first time, last time,
/// context.
pub(super) const CHANGING: usize = 4;
/// Words before the texts.
const FIXED: usize = CHANGING + 2;

/// Flag: it is a note.
pub(super) const NOTE: u64 = 1;
/// Flag: it is a total.
pub(super) const TOTAL: u64 = 2;

/// Most entries of either sort, of one log in one file.
pub(super) const MOST: usize = 256;
/// Most totals of a log in a retired file that have a place. It sees many releases of a program, whose places
/// differ. Beyond them a total has no place; of those there may be as many again.
const FOLDED_MOST: usize = 1024;

/// A message: 2 KiB with the head of its record. All have one size, so that each fits into the part of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageWidth;

impl Width for MessageWidth {
    const WORDS: usize = 123;
}

/// A total: 768 bytes with the head of its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct TotalWidth;

impl Width for TotalWidth {
    const WORDS: usize = 43;
}

/// Bytes that are kept of a name, of a site and of a message. What a message's part has beyond is for the
/// causes: 128 bytes or more.
const NAME_MOST: usize = 128;
const SITE_MOST: usize = 168;
const MESSAGE_MOST: usize = 512;
/// Bytes of all texts of a message.
const TEXTS_MOST: usize = 8 * (MessageWidth::WORDS - FIXED);
/// Causes that are looked at: a chain may go in circles.
const SOURCES: usize = 16;

const _: () = assert!(NAME_MOST + SITE_MOST <= 8 * (TotalWidth::WORDS - FIXED));
const _: () = assert!(NAME_MOST + SITE_MOST + MESSAGE_MOST + 128 <= TEXTS_MOST);

/// The part of an entry with so many words.
pub(super) fn shape_of(words: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: words as u16,
        plain: 0,
    }
}

pub(super) static PARTS: Parts = Parts {
    is_part: |shape| {
        let words = usize::from(shape.words);
        shape == shape_of(words) && words >= FIXED
    },
    changing: CHANGING,
    fold: Some(fold_part),
};

/// Numbers of the plain words of the metric.
pub(super) mod plain {
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
pub(super) const PLAIN: usize = 4;

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

/// What an error is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) is_note: bool,
    pub(super) message: String,
    pub(super) site: String,
    /// One a line.
    pub(super) sources: String,
}

impl Text {
    /// From the words of an entry after those that change. Nothing in them is trusted.
    pub(super) fn from_words(words: &[u64]) -> Option<Text> {
        let (&[lengths, flags], words) = words.split_first_chunk()?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut text = |number: u32| {
            let len = (lengths >> (16 * number)) as u16 as usize;
            let (text, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            String::from_utf8_lossy(text).into_owned()
        };
        let (name, site, message, sources) = (text(0), text(1), text(2), text(3));
        Some(Text {
            name,
            is_note: flags & NOTE != 0,
            message,
            site,
            sources,
        })
    }

    /// The words of a total that has this name and no site, after those that change.
    fn total_words(&self) -> Vec<u64> {
        let mut texts = Texts::new(TOTAL | u64::from(self.is_note));
        texts.add(NAME_MOST, |to| to.write_str(&self.name));
        texts.words().collect()
    }
}

/// What an error is called.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    /// The modules before the type, with the last `::`; mostly empty.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) is_note: bool,
}

/// The texts of an entry in the making. They are on the stack: new messages may come in a storm, and none of
/// them is to allocate.
pub(super) struct Texts {
    bytes: [u8; TEXTS_MOST],
    len: usize,
    /// How many texts there are.
    number: u32,
    lengths: u64,
    flags: u64,
}

impl Texts {
    fn new(flags: u64) -> Texts {
        Texts {
            bytes: [0; TEXTS_MOST],
            len: 0,
            number: 0,
            lengths: 0,
            flags,
        }
    }

    /// Those of the total of a name and a place.
    pub(super) fn of_total(name: Name<'_>, site: Option<&Location<'_>>) -> Texts {
        let mut texts = Texts::new(TOTAL | u64::from(name.is_note));
        texts.add_name_and_site(name, site);
        texts
    }

    /// Those of a message, cut to what is kept.
    pub(super) fn of_message(
        name: Name<'_>,
        site: Option<&Location<'_>>,
        message: &dyn fmt::Display,
        mut source: Option<&(dyn Error + 'static)>,
    ) -> Texts {
        let mut texts = Texts::new(name.is_note.into());
        texts.add_name_and_site(name, site);
        // A message that cannot be formatted is kept as far as it could.
        texts.add(MESSAGE_MOST, |to| write!(to, "{message}"));
        texts.add(TEXTS_MOST, |to| {
            for number in 0..SOURCES {
                let Some(cause) = source else { break };
                if number > 0 {
                    to.write_str("\n")?;
                }
                write!(OneLine(to), "{cause}")?;
                source = cause.source();
            }
            Ok(())
        });
        texts
    }

    fn add_name_and_site(&mut self, name: Name<'_>, site: Option<&Location<'_>>) {
        self.add(NAME_MOST, |to| {
            to.write_str(name.path)?;
            to.write_str(name.text)
        });
        let Some(site) = site else {
            return self.add(0, |_| Ok(()));
        };
        // Of a long path the end says more. Two numbers of 32 bits and their colons take 22 bytes.
        let file = site.file();
        let file = &file[file.ceil_char_boundary(file.len().saturating_sub(SITE_MOST - 22))..];
        self.add(SITE_MOST, |to| {
            write!(to, "{file}:{}:{}", site.line(), site.column())
        });
    }

    /// Adds the next text, of at most `most` bytes.
    fn add(&mut self, most: usize, text: impl FnOnce(&mut Cut<'_>) -> fmt::Result) {
        let most = most.min(TEXTS_MOST - self.len);
        let mut to = Cut {
            bytes: &mut self.bytes[self.len..][..most],
            len: 0,
            full: false,
        };
        let _ = text(&mut to);
        let len = to.len;
        self.len += len;
        self.lengths |= (len as u64) << (16 * self.number);
        self.number += 1;
    }

    /// The words of the entry after those that change.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + Clone {
        [self.lengths, self.flags]
            .into_iter()
            .chain(words(&self.bytes[..self.len]))
    }
}

/// A text that ends, at a character, where its space does.
struct Cut<'a> {
    bytes: &'a mut [u8],
    len: usize,
    /// Whether something was left out: nothing comes after it.
    full: bool,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            return Err(fmt::Error);
        }
        let kept = crate::format::bytes::cut(text, self.bytes.len() - self.len);
        self.bytes[self.len..][..kept.len()].copy_from_slice(kept.as_bytes());
        self.len += kept.len();
        self.full = kept.len() < text.len();
        // An error ends the formatting, of which nothing is kept any more.
        if self.full { Err(fmt::Error) } else { Ok(()) }
    }
}

/// One line, whatever is in it.
struct OneLine<'a, 'b>(&'a mut Cut<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.0.write_str(" ")?;
            }
            self.0.write_str(line)?;
        }
        Ok(())
    }
}
