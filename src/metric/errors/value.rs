//! The value of an error log, of one file or merged over many.

use super::text::ErrorText;
use crate::metric::context::{Context, ResolvedContext};

/// Sorts errors by their texts and merges equal ones. A writer has each error once (but texts that were cut may
/// be equal), and a file may contain anything.
pub(super) fn in_order(mut errors: Vec<DistinctError>) -> Vec<DistinctError> {
    errors.sort_by(|a, b| a.text.cmp(&b.text));
    errors.into_iter().fold(Vec::new(), |mut merged, error| {
        push(&mut merged, error);
        merged
    })
}

/// The value of an [`Errors`](crate::Errors), of one file or merged over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorsValue {
    pub(super) all: u64,
    pub(super) overflow: u64,
    pub(super) evicted: u64,
    pub(super) unnamed: u64,
    /// Sorted by their texts.
    pub(super) distinct: Vec<DistinctError>,
    /// Sorted likewise. They have neither messages nor causes.
    pub(super) sites: Vec<DistinctError>,
}

/// One distinct error.
#[derive(Clone, Debug, PartialEq)]
pub struct DistinctError {
    pub(super) text: ErrorText,
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) context: ResolvedContext,
}

impl DistinctError {
    /// Returns the type of an error, or the name of a note.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// let names: Vec<&str> = errors.distinct().iter().map(|error| error.name()).collect();
    /// assert!(names.contains(&"ParseIntError"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// Returns whether this is a note.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// let notes = errors.distinct().iter().filter(|error| error.is_note());
    /// assert_eq!(notes.map(|note| note.name()).next(), Some("timeout"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_note(&self) -> bool {
        self.text.is_note
    }

    /// Returns what follows `errors__` in the label: `EXC:<type>`, or the name of a note.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// let names: Vec<_> = errors.distinct().iter().map(|error| error.exposed_as()).collect();
    /// assert!(names.contains(&"EXC:ParseIntError".to_owned()));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exposed_as(&self) -> String {
        let prefix = if self.is_note() { "" } else { "EXC:" };
        format!("{prefix}{}", self.name())
    }

    /// Returns the message; empty for a note.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert!(errors.distinct().iter().any(|error| error.message() == "invalid digit found in string"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn message(&self) -> &str {
        &self.text.message
    }

    /// Returns where the error was recorded: file, line and, if known, column; empty for a note.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert!(errors.distinct().iter().all(|error| error.is_note() || error.site().contains(".rs:")));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn site(&self) -> &str {
        &self.text.site
    }

    /// Returns the causes, the nearest first.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     for source in error.sources() {
    ///         println!("{}: caused by {source}", error.name());
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.text.sources.lines()
    }

    /// Returns how many times this was recorded.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     assert!(error.count() > 0);
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns when the first was recorded, in nanoseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     assert!(error.first_ns() <= error.last_ns());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn first_ns(&self) -> u64 {
        self.first
    }

    /// Returns when the last was recorded, in nanoseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     assert!(error.last_ns() >= error.first_ns());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn last_ns(&self) -> u64 {
        self.last
    }

    /// Returns the backtrace of the first error or, for a note, the context that was given last.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     if let Some(context) = error.context() {
    ///         println!("{}", context.text());
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn context(&self) -> Option<&Context> {
        self.context.context().map(|context| &**context)
    }

    /// Returns whether there was a context that is lost: there was no space for it, or its file was folded.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// for error in errors.distinct() {
    ///     assert!(!error.has_lost_context());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn has_lost_context(&self) -> bool {
        self.context == ResolvedContext::Lost
    }

    pub(super) fn merge(&mut self, other: DistinctError) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        let is_later = other.last > self.last;
        // The context of the later one or, if that has none, of the other.
        if (is_later && other.context != ResolvedContext::Nothing)
            || self.context == ResolvedContext::Nothing
        {
            self.context = other.context;
        }
        self.last = self.last.max(other.last);
    }
}

impl ErrorsValue {
    /// Returns how many errors and notes were recorded.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert_eq!(errors.all(), 7);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn all(&self) -> u64 {
        self.all
    }

    /// Returns how many of them were never among the distinct ones, because the file had no space for any
    /// message.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert_eq!(errors.overflow(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Returns how many times a message was dropped because the log was full and a new one came. Its errors
    /// still count in [`all`](Self::all) and in [`sites`](Self::sites).
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert_eq!(errors.evicted(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns how many errors are not counted in [`sites`](Self::sites), because there were more names and
    /// places than a log counts or because the file was full.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// assert_eq!(errors.unnamed(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// Returns the distinct errors that were seen last, sorted by name.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// let counted: u64 = errors.distinct().iter().map(|error| error.count()).sum();
    /// assert_eq!(counted, errors.all()); // as long as none had to go
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn distinct(&self) -> &[DistinctError] {
        &self.distinct
    }

    /// Returns the errors by name and site, whatever their messages, sorted by name. The counts never fall.
    /// Messages and sources are empty; the site of a process that has ended may be, too.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let value = snapshot.get("histories", "errors").unwrap();
    /// let errors = value.as_errors().unwrap();
    /// let counted: u64 = errors.sites().iter().map(|site| site.count()).sum();
    /// assert_eq!(counted + errors.unnamed(), errors.all());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn sites(&self) -> &[DistinctError] {
        &self.sites
    }

    pub(super) fn merge(&mut self, other: ErrorsValue) {
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

    /// Subtracts what an earlier state had.
    pub(super) fn take_off(&mut self, earlier: &ErrorsValue) {
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
}

/// Adds an error that does not sort before the last one; an equal one is merged.
fn push(errors: &mut Vec<DistinctError>, error: DistinctError) {
    match errors.last_mut() {
        Some(last) if last.text == error.text => last.merge(error),
        _ => errors.push(error),
    }
}

/// Merges two sorted lists.
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

/// Keeps what is not in an earlier list. An error that begins later than it did there was dropped in between
/// and came again, so all of it is new.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_later_error_without_a_context_does_not_take_that_of_an_earlier_one() {
        let error = |last, context| DistinctError {
            text: ErrorText {
                name: "E".to_owned(),
                is_note: false,
                message: String::new(),
                site: String::new(),
                sources: String::new(),
            },
            count: 1,
            first: 0,
            last,
            context,
        };
        // Lost counts as a context: there was one.
        use ResolvedContext::{Lost, Nothing};
        for (one, two, merged) in [
            ((1, Lost), (2, Nothing), Lost),
            ((2, Nothing), (1, Lost), Lost),
            ((1, Nothing), (2, Lost), Lost),
            ((1, Nothing), (1, Nothing), Nothing),
        ] {
            let mut both = error(one.0, one.1);
            both.merge(error(two.0, two.1));
            assert_eq!((both.context, both.last), (merged, one.0.max(two.0)));
        }
    }
}
