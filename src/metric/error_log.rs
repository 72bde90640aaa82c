//! The read side of Errors: the distinct ones of one file or of many, and what their parts are.

use std::collections::BTreeMap;

use super::Value;
use super::context::{Context, Found, Reference};
use super::kind::{Counts, Kind, Parts, Raw, code};
use crate::format::bytes::words;
use crate::format::part::Shape;
use crate::format::schema::{Geometry, MetricSchema};
use crate::sys::words::Width;

/// What changes: count, first time, last time, context.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changing;

impl Width for Changing {
    const WORDS: usize = 4;
}

pub(super) const BUFFERS: usize = 2;

/// Distinct errors of one metric in one file.
pub(super) const MOST: usize = 256;
/// Two words: all, and those that are not among the distinct ones.
pub(super) const GEOMETRY: Geometry = Geometry {
    buffers: 0,
    words: 0,
    plain: 2,
};

/// A part with so many plain words.
pub(super) fn shape_of(plain: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: Changing::WORDS as u16,
        plain: plain as u32,
    }
}

pub(super) static PARTS: Parts = Parts {
    is_part: |shape| shape == shape_of(shape.plain as usize) && shape.plain >= 2,
    fold: Some(fold_part),
};

/// Adds up what changes. The table of a retired file is bounded, too, and it has no contexts.
fn fold_part(
    words: &mut [u64],
    into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
    plain: &[u64],
    cell: &[u64],
) {
    let &[count, first, last, context] = cell else {
        return;
    };
    let context = match Reference(context) {
        Reference::NONE => Reference::NONE,
        _ => Reference::LOST,
    };
    let next = vec![count, first, last, context.0];
    if let Some(had) = into.get_mut(plain) {
        had[0] = had[0].saturating_add(count);
        had[1] = had[1].min(first);
        if last > had[2] || had[3] == Reference::NONE.0 {
            had[3] = context.0;
        }
        had[2] = had[2].max(last);
    } else if into.len() < MOST {
        into.insert(plain.to_vec(), next);
    } else {
        words[1] = words[1].saturating_add(count);
    }
}

/// What an error is: what does not change.
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
    /// The plain words of a part: the lengths in 16 bits each, whether it is a note, and the texts.
    pub(super) fn to_words(&self) -> Vec<u64> {
        let texts = [&self.name, &self.site, &self.message, &self.sources];
        let lengths = (texts.iter().rev()).fold(0, |all, text| all << 16 | text.len() as u64);
        let all = texts.map(|text| text.as_str()).concat();
        [lengths, self.is_note.into()]
            .into_iter()
            .chain(words(all.as_bytes()))
            .collect()
    }

    /// From the plain words of a part. Nothing in them is trusted.
    fn from_words(words: &[u64]) -> Option<Text> {
        let (&[lengths, note], words) = words.split_first_chunk()?;
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
            is_note: note & 1 != 0,
            message,
            site,
            sources,
        })
    }
}

pub(super) static KIND: Kind = Kind {
    code: code::ERRORS,
    name: "errors",
    counts: Counts::All,
    check,
    decode: |_, raw| Value::Errors(Box::new(decode(raw))),
    merge: |into, next, _, _| {
        if let (Value::Errors(merged), Value::Errors(next)) = (into, next) {
            merged.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Errors(now), Value::Errors(before)) = (now, before) {
            now.take_off(before);
        }
    }),
    none: |_| Value::Errors(Box::default()),
    fold: |_, into, next, _| {
        for (word, next) in into.iter_mut().zip(next) {
            *word = word.saturating_add(*next);
        }
        Ok(())
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != GEOMETRY {
        return Err(format!("{:?} where two words are wanted", schema.geometry));
    }
    Ok(())
}

fn decode(raw: Raw<'_>) -> ErrorsValue {
    let mut distinct: Vec<DistinctError> = (raw.parts.iter())
        .filter_map(|(_, words)| {
            let (&[sequence, count, first, last, context], text) = words.split_first_chunk()?;
            // 0: it has its place, and was not published yet.
            (sequence != 0).then_some(())?;
            Some(DistinctError {
                text: Text::from_words(text)?,
                count,
                first,
                last,
                context: raw.contexts.find(Reference(context)),
            })
        })
        .collect();
    distinct.sort_by(|a, b| a.text.cmp(&b.text));
    let mut value = ErrorsValue {
        all: raw.words[0],
        overflow: raw.words[1],
        distinct: Vec::with_capacity(distinct.len()),
    };
    // A writer has none twice, but a file may say anything.
    distinct.into_iter().for_each(|error| value.push(error));
    value
}

/// What an [`Errors`](crate::Errors) says, of one file or merged over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorsValue {
    all: u64,
    overflow: u64,
    /// Sorted by what they are.
    distinct: Vec<DistinctError>,
}

/// One distinct error.
#[derive(Clone, Debug, PartialEq)]
pub struct DistinctError {
    text: Text,
    count: u64,
    first: u64,
    last: u64,
    context: Found,
}

impl DistinctError {
    /// The type of an error, or the name of a note.
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// Whether it is a note.
    pub fn is_note(&self) -> bool {
        self.text.is_note
    }

    /// What follows `errors__` in its label: `EXC:<type>`, or the name of a note.
    pub fn exposed_as(&self) -> String {
        let prefix = if self.is_note() { "" } else { "EXC:" };
        format!("{prefix}{}", self.name())
    }

    /// Its message; of a note empty.
    pub fn message(&self) -> &str {
        &self.text.message
    }

    /// Where it was recorded: file, line and column; of a note empty.
    pub fn site(&self) -> &str {
        &self.text.site
    }

    /// What caused it, the nearest first.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.text.sources.lines()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the first was recorded: nanoseconds since 1970-01-01 UTC.
    pub fn first_ns(&self) -> u64 {
        self.first
    }

    /// When the last was recorded: nanoseconds since 1970-01-01 UTC.
    pub fn last_ns(&self) -> u64 {
        self.last
    }

    /// The backtrace of the first error; of a note the context that was given last.
    pub fn context(&self) -> Option<&Context> {
        self.context.context().map(|context| &**context)
    }

    /// Whether it had a context that is not there: there was no space for it.
    pub fn has_lost_context(&self) -> bool {
        self.context == Found::Lost
    }

    fn merge(&mut self, other: DistinctError) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        if other.last > self.last || self.context == Found::Nothing {
            self.context = other.context;
        }
        self.last = self.last.max(other.last);
    }
}

impl ErrorsValue {
    /// How many were recorded.
    pub fn all(&self) -> u64 {
        self.all
    }

    /// How many of them are not among the distinct ones: the table was full, or the file.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The distinct ones, by name.
    pub fn distinct(&self) -> &[DistinctError] {
        &self.distinct
    }

    /// Adds one that does not come before the last one.
    fn push(&mut self, error: DistinctError) {
        match self.distinct.last_mut() {
            Some(last) if last.text == error.text => last.merge(error),
            _ => self.distinct.push(error),
        }
    }

    fn merge(&mut self, other: ErrorsValue) {
        self.all = self.all.saturating_add(other.all);
        self.overflow = self.overflow.saturating_add(other.overflow);
        let mut a = std::mem::take(&mut self.distinct).into_iter().peekable();
        let mut b = other.distinct.into_iter().peekable();
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(one), Some(two)) if two.text < one.text => b.next(),
                (Some(_), _) => a.next(),
                (None, _) => b.next(),
            };
            match next {
                Some(error) => self.push(error),
                None => break,
            }
        }
    }

    /// Takes off what an earlier state had.
    fn take_off(&mut self, earlier: &ErrorsValue) {
        self.all = self.all.saturating_sub(earlier.all);
        self.overflow = self.overflow.saturating_sub(earlier.overflow);
        let before = &earlier.distinct;
        self.distinct.retain_mut(|error| {
            if let Ok(at) = before.binary_search_by(|before| before.text.cmp(&error.text)) {
                error.count = error.count.saturating_sub(before[at].count);
            }
            error.count > 0
        });
    }

    /// See [`Value::expose`].
    pub(crate) fn expose(&self, each: &mut dyn FnMut(&str, Value)) {
        each("all", Value::Counter(self.all));
        let mut names: BTreeMap<String, u64> = Default::default();
        for error in &self.distinct {
            let sum = names.entry(error.exposed_as()).or_default();
            *sum = sum.saturating_add(error.count);
        }
        for (name, count) in names {
            each(&name, Value::Counter(count));
        }
    }
}
