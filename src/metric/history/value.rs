//! The value of a History.

use std::sync::Arc;

use crate::metric::context::{Context, ResolvedContext};

/// The last values, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryValue {
    pub(super) entries: Vec<HistoryEntry>,
    pub(super) size: usize,
    pub(super) pushed: u64,
    pub(super) missed: u64,
    pub(super) lost: u64,
}

/// One value of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    #[cfg_attr(not(feature = "push"), allow(dead_code))]
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) value: f64,
    pub(super) context: ResolvedContext,
}

impl HistoryEntry {
    /// Returns the number of this push among those of its writer, from 1 on.
    #[cfg(feature = "push")]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns when it was pushed, in nanoseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// let newest = &times.entries()[0];
    /// assert_eq!(newest.time_ns() / 1_000_000_000, newest.timestamp() as u64);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn time_ns(&self) -> u64 {
        self.time
    }

    /// Returns when it was pushed, in seconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert!(times.entries().windows(2).all(|pair| pair[0].timestamp() >= pair[1].timestamp()));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn timestamp(&self) -> f64 {
        self.time as f64 / 1e9
    }

    /// Returns the value.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert_eq!(times.entries()[0].value(), 44.0); // the newest
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns its context, if it has one that is still there.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// for entry in times.entries() {
    ///     println!("{} {:?}", entry.value(), entry.context().map(|context| context.text()));
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn context(&self) -> Option<&Context> {
        self.context.context().map(Arc::as_ref)
    }

    /// Returns whether it had a context that is lost: there was no space for it, or it has been replaced.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// let lost = times.entries().iter().filter(|entry| entry.has_lost_context());
    /// println!("{} contexts are lost", lost.count());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn has_lost_context(&self) -> bool {
        self.context == ResolvedContext::Lost
    }
}

impl HistoryValue {
    pub(super) fn new(size: usize) -> HistoryValue {
        HistoryValue {
            entries: Vec::new(),
            size,
            pushed: 0,
            missed: 0,
            lost: 0,
        }
    }

    /// Returns the values, newest first.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert_eq!(times.entries().len(), 20);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// Returns the maximum number of values.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert!(times.entries().len() <= times.size());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns how many values were pushed, without those that found no space.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// let kept = times.entries().len() as u64;
    /// assert!(times.pushed() >= kept);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Returns how many values between the oldest and the newest entry are missing here, because they were
    /// overwritten while a reader copied the ring.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert_eq!(times.missed(), 0); // nobody writes it
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns how many values found no space at all.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// assert_eq!(times.lost(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Merges the entries of another file by their times. The order within each file stays, even if its clock
    /// was set back.
    pub(super) fn merge(&mut self, other: HistoryValue) {
        self.size = self.size.max(other.size);
        self.pushed = self.pushed.saturating_add(other.pushed);
        self.missed = self.missed.saturating_add(other.missed);
        self.lost = self.lost.saturating_add(other.lost);
        let (len, size) = (self.entries.len() + other.entries.len(), self.size);
        let mut a = std::mem::take(&mut self.entries).into_iter().peekable();
        let mut b = other.entries.into_iter().peekable();
        self.entries = std::iter::from_fn(|| match (a.peek(), b.peek()) {
            (Some(one), Some(two)) if two.time > one.time => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        })
        .take(len.min(size))
        .collect();
    }
}
