//! The read side of Errors: what is in the log of one file or of many.

use std::collections::BTreeMap;

use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::Value;
use crate::metric::context::{Context, Found, Reference};
use crate::metric::errors::entry::{CHANGING, PLAIN, TOTAL, plain};
use crate::metric::errors::text::Text;
use crate::metric::kind::{Counts, Kind, Raw, code};

/// The place of a log: plain words, see [`plain`]. Its entries are parts.
pub(in crate::metric) const GEOMETRY: Geometry = Geometry {
    buffers: 0,
    words: 0,
    plain: PLAIN as u16,
};

pub(in crate::metric) static KIND: Kind = Kind {
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
        return Err(format!(
            "{:?} where four plain words are wanted",
            schema.geometry
        ));
    }
    Ok(())
}

fn decode(raw: Raw<'_>) -> ErrorsValue {
    let (mut distinct, mut sites) = (Vec::new(), Vec::new());
    for (_, words) in raw.parts {
        let Some((&[sequence, count, first, last, context], fixed)) =
            words.split_first_chunk::<{ 1 + CHANGING }>()
        else {
            continue;
        };
        // 0: it has its place, and was not published yet.
        let Some(text) = (sequence != 0).then(|| Text::from_words(fixed)).flatten() else {
            continue;
        };
        let is_total = fixed[1] & TOTAL != 0;
        let of = if is_total { &mut sites } else { &mut distinct };
        of.push(DistinctError {
            text,
            count,
            first,
            last,
            context: raw.contexts.find(Reference(context)),
        });
    }
    let word = |number: usize| raw.words[number];
    ErrorsValue {
        all: word(plain::ALL),
        overflow: word(plain::OVERFLOW),
        evicted: word(plain::EVICTED),
        unnamed: word(plain::UNNAMED),
        distinct: in_order(distinct),
        sites: in_order(sites),
    }
}

/// Sorted by what they are. A writer has none twice (but texts that were cut may be the same), and a file may
/// say anything.
fn in_order(mut errors: Vec<DistinctError>) -> Vec<DistinctError> {
    errors.sort_by(|a, b| a.text.cmp(&b.text));
    errors.into_iter().fold(Vec::new(), |mut merged, error| {
        push(&mut merged, error);
        merged
    })
}

/// What an [`Errors`](crate::Errors) says, of one file or merged over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorsValue {
    all: u64,
    overflow: u64,
    evicted: u64,
    unnamed: u64,
    /// Sorted by what they are.
    distinct: Vec<DistinctError>,
    /// Likewise. They have neither messages nor causes.
    sites: Vec<DistinctError>,
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

    /// How many of them were never among the distinct ones: the file had no space for any.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// How many times a message was dropped because a new one came and the log was full. Its errors still
    /// count in [`all`](Self::all) and in [`sites`](Self::sites).
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many errors are not counted in [`sites`](Self::sites): there were more names and places than a log
    /// counts, or the file was full.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// The distinct ones that were seen last, by name.
    pub fn distinct(&self) -> &[DistinctError] {
        &self.distinct
    }

    /// All errors by name and site, whatever messages they had, by name. The counts never fall. Messages and
    /// sources are empty; of processes that have ended a site may be, too.
    pub fn sites(&self) -> &[DistinctError] {
        &self.sites
    }

    fn merge(&mut self, other: ErrorsValue) {
        for (sum, next) in [
            (&mut self.all, other.all),
            (&mut self.overflow, other.overflow),
            (&mut self.evicted, other.evicted),
            (&mut self.unnamed, other.unnamed),
        ] {
            *sum = sum.saturating_add(next);
        }
        merge(&mut self.distinct, other.distinct);
        merge(&mut self.sites, other.sites);
    }

    /// Takes off what an earlier state had.
    fn take_off(&mut self, earlier: &ErrorsValue) {
        for (now, before) in [
            (&mut self.all, earlier.all),
            (&mut self.overflow, earlier.overflow),
            (&mut self.evicted, earlier.evicted),
            (&mut self.unnamed, earlier.unnamed),
        ] {
            *now = now.saturating_sub(before);
        }
        take_off(&mut self.distinct, &earlier.distinct);
        take_off(&mut self.sites, &earlier.sites);
    }

    /// See [`Value::expose`].
    pub(crate) fn expose(&self, each: &mut dyn FnMut(&str, Value)) {
        each("all", Value::Counter(self.all));
        let mut names: BTreeMap<String, u64> = Default::default();
        for error in &self.sites {
            let sum = names.entry(error.exposed_as()).or_default();
            *sum = sum.saturating_add(error.count);
        }
        for (name, count) in names {
            each(&name, Value::Counter(count));
        }
    }
}

/// Adds one that does not come before the last one.
fn push(errors: &mut Vec<DistinctError>, error: DistinctError) {
    match errors.last_mut() {
        Some(last) if last.text == error.text => last.merge(error),
        _ => errors.push(error),
    }
}

/// Merges two lists that are in order.
fn merge(errors: &mut Vec<DistinctError>, others: Vec<DistinctError>) {
    let mut a = std::mem::take(errors).into_iter().peekable();
    let mut b = others.into_iter().peekable();
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some(one), Some(two)) if two.text < one.text => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(error) => push(errors, error),
            None => break,
        }
    }
}

/// Leaves what is not in an earlier list. An error that begins later than there was dropped in between and
/// came again: all of it is new.
fn take_off(errors: &mut Vec<DistinctError>, before: &[DistinctError]) {
    errors.retain_mut(|error| {
        if let Ok(at) = before.binary_search_by(|before| before.text.cmp(&error.text))
            && error.first <= before[at].first
        {
            error.count = error.count.saturating_sub(before[at].count);
        }
        error.count > 0
    });
}
