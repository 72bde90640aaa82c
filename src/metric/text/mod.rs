//! Text: a short text, replaced as a whole.

use std::fmt;

use super::field::{Binder, Describe, Field, Options, TakesBuffers};
use super::kind::check_slot;
use super::kind::{Counts, Kind, LATEST, Raw, code};
use super::sample::{Reading, Sample};
use super::value::Value;
use crate::format::bytes::{cut, eights, words};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::{Slot, Width};

/// A text of at most `N` bytes of UTF-8: a version, a state, the last host.
///
/// A longer text is cut at a character boundary. It is replaced as a whole: a reader sees the old or the new text.
///
/// Setting it copies at most `N` bytes. Over many files, the text of the file created last counts.
pub struct Text<const N: usize>(Slot<TextWidth<N>>);

/// A buffer: the length in bytes, then the bytes.
#[derive(Clone, Copy, Debug)]
struct TextWidth<const N: usize>;

impl<const N: usize> Width for TextWidth<N> {
    const WORDS: usize = 1 + N.div_ceil(8);
}

impl<const N: usize> Text<N> {
    const LEGAL: () = assert!(
        N >= 1 && N <= 4096,
        "Text<N> holds 1 to 4096 bytes: choose N in this range"
    );

    /// Sets the text, cut to `N` bytes at a character boundary.
    ///
    /// ```
    /// # use mmstats::{Text, MmStats};
    /// # #[derive(MmStats)] struct Web { release: Text<8> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.release.set("1.4.2");
    /// assert_eq!(web.release.get(), "1.4.2");
    /// web.release.set("a longer text"); // cut to 8 bytes
    /// assert_eq!(web.release.get(), "a longer");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn set(&self, text: &str) {
        let text = cut(text, N).as_bytes();
        let (whole, last) = eights(text);
        let slot = self.0;
        // Words beyond the text are not written: a reader takes only `length` bytes. (Relaxed: the marks
        // order them.)
        slot::publish_stored(
            slot.sequence(),
            |p| slot.buffer(p),
            |cells| {
                cells[0].store(text.len() as u64, Ordering::Relaxed);
                for (cell, chunk) in cells[1..].iter().zip(whole) {
                    cell.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
                }
                if let Some(last) = last {
                    cells[1 + whole.len()].store(last, Ordering::Relaxed);
                }
            },
        );
    }

    /// Returns the text that was set last; empty at first. Allocates.
    ///
    /// ```
    /// # use mmstats::{Text, MmStats};
    /// # #[derive(MmStats)] struct Web { release: Text<8> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.release.get(), "");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn get(&self) -> String {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.0.sequence().load(Ordering::Relaxed));
        let words: Vec<u64> = self
            .0
            .buffer(p)
            .iter()
            .map(|w| w.load(Ordering::Relaxed))
            .collect();
        from_words(&words)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.get()).finish()
    }
}

/// The words of a text: its length in bytes, then the bytes.
pub(super) fn to_words(text: &str) -> impl Iterator<Item = u64> {
    std::iter::once(text.len() as u64).chain(words(text.as_bytes()))
}

/// Returns the text in a buffer. Nothing in it is trusted: a length beyond the buffer is cut, and invalid
/// UTF-8 is replaced.
pub(super) fn from_words(words: &[u64]) -> String {
    let Some((&len, words)) = words.split_first() else {
        return String::new();
    };
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(len.try_into().unwrap_or(usize::MAX));
    String::from_utf8_lossy(&bytes).into_owned()
}

of_one_thread!(Text<N>, const N: usize);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl<const N: usize> Field for Text<N> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let () = Self::LEGAL;
        let geometry = Geometry::slot(TextWidth::<N>::WORDS, options.buffers);
        let metric = schema.metric(code::TEXT, label, options, geometry);
        metric.scalar = Some(Scalar::Text);
        metric.parameter = N as u32;
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Text<N> {
        let geometry = Geometry::slot(TextWidth::<N>::WORDS, options.buffers);
        Text(Slot::new(binder.place(geometry).0, geometry.buffers.into()))
    }
}

impl<const N: usize> TakesBuffers for Text<N> {}

pub(super) static KIND: Kind = Kind {
    code: code::TEXT,
    name: "text",
    count: |_| None,
    counts: Counts::CurrentElseAll,
    check: check_text,
    decode: |_, raw: Raw<'_>| Value::Text(from_words(raw.words)),
    merge: |into, next, _, _| *into = next,
    since: None,
    none: |_| Value::Text(String::new()),
    fold: LATEST,
    extents: None,
    unit: None,
    samples: |value, _, each| {
        if let Value::Text(text) = value {
            each(Sample::exported("", "", Reading::Text(text)));
        }
    },
};

/// A text is a slot of a length and bytes, without plain words.
fn check_text(schema: &MetricSchema) -> Result<(), String> {
    check_slot(schema, "a text", 1..=usize::MAX, 0)
}
