//! Constant: a value set once, when the file is made.

use std::fmt;

use super::field::{Binder, ConstantField, Describe, Options, TakesUnit};
use super::gauge::Numeric;
use super::kind::{Counts, Kind, LATEST, Raw, code};
use super::kind::{check_number, check_word};
use super::sample::{Reading, Sample};
use super::text::{from_words, to_words};
use super::value::Value;
use crate::format::bytes::cut;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::sync::Ordering;
use crate::sys::memory::words::Words;

/// A value that is set once, with `#[mmstats(value = …)]`: a limit, a build number, a commit.
///
/// `T` is a number (as in a [`Gauge`](crate::Gauge)), `bool`, `&'static str` or `String`. A text is
/// cut to 255 bytes at a character boundary. Over many files, the value of the file created last
/// counts.
pub struct Constant<T>(T);

/// The type of a [`Constant`]: a number, `bool`, `&'static str` or `String`. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a Constant",
    note = "write a number of a fixed size, bool, &'static str or String"
)]
pub trait ConstantType: sealed::Sealed {
    #[doc(hidden)]
    const SCALAR: Scalar;
    /// Stores the value in its place, once.
    #[doc(hidden)]
    fn store(&self, place: Words);
}

mod sealed {
    pub trait Sealed {}
    impl<T: super::Numeric> Sealed for T {}
    impl Sealed for bool {}
    impl Sealed for &'static str {}
    impl Sealed for String {}
}

impl<T: Numeric> ConstantType for T {
    const SCALAR: Scalar = T::SCALAR;
    fn store(&self, place: Words) {
        place.word(0).store(self.to_word(), Ordering::Relaxed);
    }
}

impl ConstantType for bool {
    const SCALAR: Scalar = Scalar::Bool;
    fn store(&self, place: Words) {
        place.word(0).store((*self).into(), Ordering::Relaxed);
    }
}

impl ConstantType for &'static str {
    const SCALAR: Scalar = Scalar::Text;
    fn store(&self, place: Words) {
        store_text(self, place);
    }
}

impl ConstantType for String {
    const SCALAR: Scalar = Scalar::Text;
    fn store(&self, place: Words) {
        store_text(self, place);
    }
}

/// The most bytes of a constant text.
const TEXT_MOST: usize = 255;
/// The place of a constant text: its length, then its bytes. It has plain words and no slot,
/// because they are stored once, before the instance is published, and never change.
const TEXT: Geometry = Geometry {
    buffers: 0,
    words: 0,
    plain: 1 + TEXT_MOST.div_ceil(8) as u16,
};

fn geometry(scalar: Scalar) -> Geometry {
    match scalar {
        Scalar::Text => TEXT,
        _ => Geometry::WORD,
    }
}

fn store_text(text: &str, place: Words) {
    for (cell, word) in place.iter().zip(to_words(cut(text, TEXT_MOST))) {
        // Relaxed: the instance is published with a Release store.
        cell.store(word, Ordering::Relaxed);
    }
}

impl<T> Constant<T> {
    /// Returns the value.
    ///
    /// ```
    /// # use mmstats::{Constant, MmStats};
    /// # #[derive(MmStats)] struct Web { #[mmstats(value = 8080)] port: Constant<u16> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(*web.port.get(), 8080);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Constant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Constant").field(&self.0).finish()
    }
}

// SAFETY: nothing of the binder is kept, and the sealed types of the value are `Send`.
unsafe impl<T: ConstantType> ConstantField for Constant<T> {
    type Value = T;

    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let metric = schema.metric(code::CONSTANT, label, options, geometry(T::SCALAR));
        metric.scalar = Some(T::SCALAR);
    }

    fn bind(binder: &mut Binder<'_>, value: T) -> Constant<T> {
        value.store(binder.place(geometry(T::SCALAR)).0);
        Constant(value)
    }
}

impl<T> TakesUnit for Constant<T> {}

pub(super) static KIND: Kind = Kind {
    code: code::CONSTANT,
    name: "constant",
    count: |_| None,
    counts: Counts::CurrentElseAll,
    check,
    decode,
    merge: |into, next, _, _| *into = next,
    since: None,
    none: |_| Value::Constant(Number::Int(0)),
    fold: LATEST,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        let (unit, reading) = match value {
            Value::Constant(number) => (unit, Reading::Level(*number)),
            Value::ConstantFlag(flag) => ("", Reading::Flag(*flag)),
            Value::ConstantText(text) => ("", Reading::Text(text)),
            _ => return,
        };
        each(Sample::exported("", unit, reading));
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    match schema.scalar {
        Some(Scalar::Text) => check_text(schema),
        Some(Scalar::Bool) => check_word(schema),
        _ => check_number(schema),
    }
}

/// A length and bytes. The writer of a later version may have longer texts.
fn check_text(schema: &MetricSchema) -> Result<(), String> {
    let geometry = schema.geometry;
    if geometry.buffers != 0 || geometry.words != 0 || geometry.plain == 0 {
        return Err(format!("expected a constant text, found {geometry:?}"));
    }
    Ok(())
}

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Value {
    match schema.scalar.unwrap_or(Scalar::U64) {
        Scalar::Text => Value::ConstantText(from_words(raw.words)),
        Scalar::Bool => Value::ConstantFlag(raw.words[0] != 0),
        scalar => Value::Constant(scalar.number(raw.words[0])),
    }
}
