//! Flag: true or false.

use super::field::{Binder, Describe, Field, Options};
use super::kind::check_word;
use super::kind::{Counts, ENDS, Kind, Raw, code};
use super::sample::{Reading, Sample};
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::Word;

/// A boolean of its thread.
///
/// Over many files it is true if it is true in any live one. When its thread ends, it becomes false. Setting it is
/// one store.
#[derive(Debug)]
pub struct Flag(Word);

impl Flag {
    /// Sets the flag.
    ///
    /// ```
    /// # use mmstats::{Flag, MmStats};
    /// # #[derive(MmStats)] struct Web { ready: Flag }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.ready.set(true);
    /// assert!(web.ready.get());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn set(&self, flag: bool) {
        // Relaxed: the word is a whole value by itself.
        self.0.store(flag.into(), Ordering::Relaxed);
    }

    /// Returns the value that was set last; false at first.
    ///
    /// ```
    /// # use mmstats::{Flag, MmStats};
    /// # #[derive(MmStats)] struct Web { ready: Flag }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert!(!web.ready.get());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

of_one_thread!(Flag);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Flag {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::FLAG, label, options, Geometry::WORD)
            .scalar = Some(Scalar::Bool);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> Flag {
        Flag(binder.level())
    }
}

pub(super) static KIND: Kind = Kind {
    code: code::FLAG,
    name: "flag",
    count: |_| None,
    counts: Counts::Current,
    check: check_word,
    decode,
    merge,
    since: None,
    none: |_| Value::Flag(false),
    fold: ENDS,
    extents: None,
    unit: None,
    samples: |value, _, each| {
        if let Value::Flag(flag) = *value {
            each(Sample::exported("", "", Reading::Flag(flag)));
        }
    },
};

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Flag(raw.words[0] != 0)
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, _: u64) {
    if let (Value::Flag(any), Value::Flag(next)) = (into, next) {
        *any |= next;
    }
}
