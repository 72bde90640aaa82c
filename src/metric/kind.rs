//! What a reader knows of a kind: how to decode, merge and expose its values.

use std::ops::RangeInclusive;

use super::context::Copied;
use super::extents::Extents;
use super::sample::Sink;
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};

/// The words of one value as a reader read them.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The words of the slot's published buffer (if it has a slot), then the plain words.
    pub words: &'a [u64],
    /// The octaves or extents of the metric that are there: number and words. Of an extent's cells these are
    /// the sequence of the publication that was read (0: none was) and its words.
    pub extents: &'a [(u32, &'a [u64])],
    /// The contexts of the file.
    pub contexts: &'a Copied<'a>,
    /// Whether a thread writes the file now, as far as is known.
    pub current: bool,
    /// Whether it is a retired file, in which the last values of distributions are not known.
    pub retired: bool,
    /// The time of the snapshot by the clock of the file's writer, the monotonic one of this machine;
    /// `None` for a file of another one, or of one that was started anew since.
    pub now: Option<u64>,
    /// The words of the metric that a window is of.
    pub of: &'a [u64],
}

/// Which files of a model count for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// All: what happened has happened.
    All,
    /// Those whose process is not dead.
    NotDead,
    /// Those that a thread writes now, as far as is known (live and unknown).
    Current,
    /// As `Current`; where there is none, all.
    CurrentElseAll,
}

/// A kind of metric.
#[derive(Debug)]
pub struct Kind {
    /// Its code in a schema.
    pub code: u16,
    /// Its name in JSON.
    pub name: &'static str,
    /// How often something was counted or recorded, of kinds that say so of their values as a whole.
    pub count: fn(&Value) -> Option<u64>,
    /// Which files count.
    pub counts: Counts,
    /// Whether a metric's schema is one of this kind. What is wrong, else.
    pub check: fn(&MetricSchema) -> Result<(), String>,
    /// The value in `raw`, which has as many words as the checked schema says.
    pub decode: fn(&MetricSchema, Raw<'_>) -> Value,
    /// Adds the value of one more file, created after the `files` ones before it. Both values are
    /// what `decode` gave for this kind; the schema is the later file's.
    pub merge: fn(&mut Value, Value, &MetricSchema, files: u64),
    /// What a value says of an interval, of kinds of which all files count and whose values only rise.
    pub since: Option<Since>,
    /// The value of the label over no file at all, where every file has been left out.
    pub none: fn(&MetricSchema) -> Value,
    /// Adds the words of a file whose process has ended to those of a retired file, which stands for
    /// all such files (`retire`): what `decode` makes of the result is what `merge` makes of the two.
    /// Both have as many words as the checked schema says, and zeros are nothing. (Octaves of
    /// histograms add up by themselves.)
    pub fold: Fold,
    /// What its extents in the file are, if it has any.
    pub extents: Option<&'static Extents>,
    /// The unit that readers show its values in, whatever the schema says.
    pub unit: Option<&'static str>,
    /// What a value of this kind says, part by part; `unit` is that of its metric.
    pub samples: fn(&Value, unit: &str, each: &mut Sink<'_>),
}

/// Takes off a value what an earlier one of the same metric had, so that what was recorded in between is
/// left. Both values are what `decode` gave for this kind. Where the earlier one has more, it is no
/// earlier state, and nothing is left.
pub type Since = fn(&mut Value, &Value);

/// How a retired file that stands for `files` files (0: for none yet, and its words are zeros) takes
/// in the words of one more; why not, where the result has no place there.
pub type Fold = fn(&MetricSchema, into: &mut [u64], next: &[u64], files: u64) -> Result<(), String>;

/// A kind of which nothing is left when its process ends.
pub(super) const ENDS: Fold = |_, _, _, _| Ok(());

/// A kind of which the later file's words stay.
pub(super) const LATEST: Fold = |_, into, next, _| {
    into.copy_from_slice(next);
    Ok(())
};

/// The codes, in the order of the table.
pub mod code {
    /// A sum that never falls.
    pub const COUNTER: u16 = 1;
    /// A sum of ups and downs.
    pub const UP_DOWN: u16 = 2;
    /// A level.
    pub const GAUGE: u16 = 3;
    /// True or false.
    pub const FLAG: u16 = 4;
    /// A text.
    pub const TEXT: u16 = 5;
    /// A value given once.
    pub const CONSTANT: u16 = 6;
    /// A distribution of durations, in nanoseconds.
    pub const TIMER: u16 = 7;
    /// A distribution of u64 values.
    pub const PERCENTILE: u16 = 8;
    /// A struct of numbers.
    pub const COMPOUND: u16 = 9;
    /// f64 values in a few numbers.
    pub const SUMMARY: u16 = 10;
    /// The mean of all values.
    pub const AVERAGE: u16 = 11;
    /// The mean of the last values.
    pub const MOVING_AVERAGE: u16 = 12;
    /// A count and its rate.
    pub const SAMPLING_COUNTER: u16 = 13;
    /// The last values.
    pub const HISTORY: u16 = 14;
    /// Distinct errors.
    pub const ERRORS: u16 = 15;
    /// What a metric counted in its last time.
    pub const WINDOW: u16 = 16;
    /// A distribution of f64 values.
    pub const FLOAT_PERCENTILE: u16 = 17;
}

/// A metric that is one word.
pub(super) fn check_word(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != Geometry::WORD {
        return Err(format!("{:?} where one word is wanted", schema.geometry));
    }
    Ok(())
}

/// A metric that is a slot of so many words, with so many plain ones beside it.
pub(super) fn check_slot(
    schema: &MetricSchema,
    name: &str,
    wanted: RangeInclusive<usize>,
    beside: u32,
) -> Result<(), String> {
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    if buffers == 0 || !wanted.contains(&words.into()) || u32::from(plain) != beside {
        return Err(format!(
            "{name} with {buffers} buffers of {words} words, {plain} beside"
        ));
    }
    Ok(())
}

/// A metric that is one word of a number: neither a truth nor a text.
pub(super) fn check_number(schema: &MetricSchema) -> Result<(), String> {
    check_word(schema)?;
    match schema.scalar {
        None | Some(Scalar::Bool | Scalar::Text) => {
            Err(format!("{:?} where a number is wanted", schema.scalar))
        }
        Some(_) => Ok(()),
    }
}
