//! What a reader knows about a kind: how to decode, merge and expose its values.

use std::ops::RangeInclusive;

use super::context::Copied;
use super::extents::Extents;
use super::sample::Sink;
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};

/// The words of one value, as a reader read them.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The words of the slot's published buffer (if it has a slot), then the plain words.
    pub words: &'a [u64],
    /// The octaves or extents of the metric that exist: number and words. For the cells of an extent, these
    /// are the sequence of the publication that was read (0 if none was) and its words.
    pub extents: &'a [(u32, &'a [u64])],
    /// The contexts of the file.
    pub contexts: &'a Copied<'a>,
    /// Whether a thread writes the file now, as far as is known.
    pub current: bool,
    /// Whether it is a retired file, in which the last values of distributions are not known.
    pub retired: bool,
    /// The time of the snapshot by the clock of the file's writer, the monotonic clock of this machine;
    /// `None` for a file of another machine, or of this one before it was restarted.
    pub now: Option<u64>,
    /// For a window: the words of its metric.
    pub of: &'a [u64],
}

/// Which files of a model count for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// All files: what happened stays counted.
    All,
    /// Files whose process is not dead.
    NotDead,
    /// Files that a thread writes now, as far as is known (live and unknown).
    Current,
    /// As `Current`; if there is none, all files.
    CurrentElseAll,
}

/// A kind of metric.
#[derive(Debug)]
pub struct Kind {
    /// Its code in a schema.
    pub code: u16,
    /// Its name in JSON.
    pub name: &'static str,
    /// Returns how often something was counted or recorded, for kinds with a count of the value as a whole.
    pub count: fn(&Value) -> Option<u64>,
    /// Which files count.
    pub counts: Counts,
    /// Checks that the schema of a metric is valid for this kind. Returns what is wrong if it is not.
    pub check: fn(&MetricSchema) -> Result<(), String>,
    /// Decodes the value in `raw`, which has as many words as the checked schema says.
    pub decode: fn(&MetricSchema, Raw<'_>) -> Value,
    /// Adds the value of one more file, created after the `files` ones before it. Both values come from
    /// `decode` of this kind; the schema is the later file's.
    pub merge: fn(&mut Value, Value, &MetricSchema, files: u64),
    /// Computes what was counted in an interval, for kinds of which all files count and whose values only
    /// rise.
    pub since: Option<Since>,
    /// Returns the value of a label over no files, when every file has been left out.
    pub none: fn(&MetricSchema) -> Value,
    /// Adds the words of a file whose process has ended to those of a retired file, which stands for all
    /// such files (`retire`). What `decode` makes of the result is what `merge` makes of the two. Both have
    /// as many words as the checked schema says, and zeros mean nothing. (Octaves of histograms are added
    /// separately.)
    pub fold: Fold,
    /// Its extents in the file, if it has any.
    pub extents: Option<&'static Extents>,
    /// The unit in which readers show its values, whatever the schema says.
    pub unit: Option<&'static str>,
    /// Calls `each` with every part of a value of this kind; `unit` is the unit of its metric.
    pub samples: fn(&Value, unit: &str, each: &mut Sink<'_>),
}

/// Subtracts an earlier value of the same metric, so that what was recorded in between is left. Both values
/// come from `decode` of this kind. If the earlier one has more, it is not an earlier state, and nothing is
/// left.
pub type Since = fn(&mut Value, &Value);

/// Adds the words of one more file to a retired file that stands for `files` files (0: none yet, and its
/// words are zeros). Returns the reason if the result does not fit.
pub type Fold = fn(&MetricSchema, into: &mut [u64], next: &[u64], files: u64) -> Result<(), String>;

/// The fold of a kind of which nothing is left when its process ends.
pub(super) const ENDS: Fold = |_, _, _, _| Ok(());

/// The fold of a kind of which the later file's words stay.
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
    /// A value that is set once.
    pub const CONSTANT: u16 = 6;
    /// A distribution of durations, in nanoseconds.
    pub const TIMER: u16 = 7;
    /// A distribution of u64 values.
    pub const PERCENTILE: u16 = 8;
    /// A struct of numbers.
    pub const COMPOUND: u16 = 9;
    /// Count, mean, deviation and extremes of f64 values.
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
    /// What a metric counted within its window.
    pub const WINDOW: u16 = 16;
    /// A distribution of f64 values.
    pub const FLOAT_PERCENTILE: u16 = 17;
}

/// Checks that a metric is one word.
pub(super) fn check_word(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != Geometry::WORD {
        return Err(format!("expected one word, found {:?}", schema.geometry));
    }
    Ok(())
}

/// Checks that a metric is a slot of `wanted` words, with `beside` plain words.
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
            "{name} with {buffers} buffers of {words} words and {plain} plain words"
        ));
    }
    Ok(())
}

/// Checks that a metric is one word with a number: neither a boolean nor a text.
pub(super) fn check_number(schema: &MetricSchema) -> Result<(), String> {
    check_word(schema)?;
    match schema.scalar {
        None | Some(Scalar::Bool | Scalar::Text) => {
            Err(format!("expected a number, found {:?}", schema.scalar))
        }
        Some(_) => Ok(()),
    }
}
