//! Entries of histories, and their contexts.

use std::borrow::Cow;

use crate::metric::context::Context;
use crate::metric::errors::value::{DistinctError, ErrorsValue};
use crate::metric::history::value::HistoryEntry;

/// An entry of a history.
pub(crate) struct Entry<'a> {
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) time: u64,
    pub(crate) value: f64,
    pub(crate) context: Option<ContextOf<'a>>,
}

impl<'a> Entry<'a> {
    /// Converts an entry of a history.
    pub(crate) fn of(entry: &'a HistoryEntry) -> Entry<'a> {
        Entry {
            time: entry.time_ns(),
            value: entry.value(),
            context: ContextOf::stored(entry.context()),
        }
    }
}

/// Returns the entries of an error log for each distinct error whose name is wanted. The log does not keep every
/// time, so these are the last and the first time.
pub(crate) fn of_errors<'a>(
    errors: &'a ErrorsValue,
    is_wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Entry<'a>> {
    let wanted = errors
        .distinct()
        .iter()
        .filter(move |error| is_wanted(&error.exposed_as()));
    wanted.flat_map(|error| {
        let first = (error.count() > 1).then_some(error.first_ns());
        let times = [Some(error.last_ns()), first].into_iter().flatten();
        times.map(|time| Entry {
            time,
            value: 1.0,
            context: ContextOf::error(error),
        })
    })
}

/// The context of an entry.
#[derive(Clone, Copy)]
pub(crate) enum ContextOf<'a> {
    Stored(&'a Context),
    /// For an error: its description, and its backtrace if there is one. In aka-stats this is Python's traceback,
    /// which contains both.
    Error(&'a DistinctError),
}

impl<'a> ContextOf<'a> {
    /// An empty context counts as none.
    pub(crate) fn stored(context: Option<&'a Context>) -> Option<ContextOf<'a>> {
        let context = context.filter(|context| !context.bytes().is_empty());
        context.map(ContextOf::Stored)
    }

    pub(crate) fn error(error: &'a DistinctError) -> Option<ContextOf<'a>> {
        match error.is_note() {
            true => ContextOf::stored(error.context()),
            false => Some(ContextOf::Error(error)),
        }
    }

    /// Returns the MD5 of the text, as everywhere.
    pub(crate) fn id(self) -> Cow<'a, str> {
        match self {
            ContextOf::Stored(context) => context.id().into(),
            ContextOf::Error(_) => format!("{:x}", md5::compute(&*self.text())).into(),
        }
    }

    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            ContextOf::Stored(context) => context.text(),
            ContextOf::Error(error) => {
                let mut text = format!("{}: {}\n", error.name(), error.message());
                for source in error.sources() {
                    text += &format!("caused by: {source}\n");
                }
                text += &format!("at {}\n", error.site());
                if let Some(backtrace) = error.context() {
                    text += &backtrace.text();
                }
                text.into()
            }
        }
    }

    /// Returns its bytes.
    #[cfg(feature = "push")]
    pub(crate) fn content(self) -> Vec<u8> {
        match self {
            ContextOf::Stored(context) => context.bytes().to_vec(),
            ContextOf::Error(_) => self.text().into_owned().into_bytes(),
        }
    }
}
