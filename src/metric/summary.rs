//! Summary: count, total, mean, deviation, extremes and the last of f64 values.

use std::fmt;

use super::Value;
use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesUnit};
use super::kind::{Counts, Kind, Raw, code};
use super::sum::Sum;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::clock;
use crate::sys::words::{Slot, Width, Word};

/// Measured values in a few numbers: count, total, mean, standard deviation, least, greatest and last
/// value, and the time of the last one, all of one publication.
///
/// Mean and deviation do not suffer from cancellation, however large the values are and however
/// little they differ: see [`SummaryValue`]. Over threads and processes they are merged as if one
/// thread had recorded all values. A NaN or an infinity is counted as rejected and changes nothing else.
///
/// Recording is a reading of the system's coarse clock (no system call), some 20 floating-point
/// operations and the publication of ten words; no division.
///
/// ```
/// # use mmstats::{MmStats, Summary};
/// # #[derive(MmStats)] struct Tasks { seconds: Summary }
/// # let tasks = Tasks::builder().anonymous().create()?;
/// for value in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0] {
///     tasks.seconds.record(value);
/// }
/// assert_eq!(tasks.seconds.value().stddev(), Some(1.0));
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Summary {
    slot: Slot<SummaryWidth>,
    rejected: Word,
}

#[derive(Clone, Copy, Debug)]
struct SummaryWidth;

impl Width for SummaryWidth {
    const WORDS: usize = WORDS;
}

/// Words of a slot's buffer:
///
/// ```text
/// 0 count   1 shift   2,3 total   4,5 squares   6 minimum   7 maximum   8 last   9 its time
/// ```
const WORDS: usize = 10;

fn geometry(options: Options<'_>) -> Geometry {
    Geometry {
        // What was rejected is no part of a publication.
        plain: 1,
        ..Geometry::slot(WORDS, options.buffers)
    }
}

impl Summary {
    /// Records a value. A NaN or an infinity counts as rejected only.
    #[inline]
    pub fn record(&self, value: f64) {
        if !value.is_finite() {
            return self.reject();
        }
        let now = clock::coarse_unix_nanos();
        // A copy: the stores below could be to the handle, for all that the compiler knows.
        let slot = self.slot;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| load(before).with(value, now).to_words(),
        );
    }

    #[cold]
    fn reject(&self) {
        // Relaxed: as for a Counter.
        let rejected = self.rejected.load(Ordering::Relaxed);
        self.rejected
            .store(rejected.wrapping_add(1), Ordering::Relaxed);
    }

    /// How many values were recorded in this thread's file.
    #[inline]
    pub fn count(&self) -> u64 {
        self.value().count
    }

    /// What this thread's file says.
    #[inline]
    pub fn value(&self) -> SummaryValue {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        SummaryValue {
            rejected: self.rejected.load(Ordering::Relaxed),
            ..load(self.slot.buffer(p))
        }
    }
}

/// What was published in a buffer.
#[inline(always)]
fn load(buffer: &[AtomicU64]) -> SummaryValue {
    // Relaxed: this thread is the only writer.
    SummaryValue::from_words(std::array::from_fn(|i| buffer[i].load(Ordering::Relaxed)))
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Summary").field(&self.value()).finish()
    }
}

impl Field for Summary {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::SUMMARY, label, options, geometry(options))
            .scalar = Some(Scalar::F64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Summary {
        let geometry = geometry(options);
        let words = binder.place(geometry).0;
        let slot = words.part(0, geometry.slot_words());
        Summary {
            slot: Slot::new(slot, geometry.buffers.into()),
            rejected: words.word(geometry.slot_words()),
        }
    }
}

impl TakesUnit for Summary {}
impl TakesBuffers for Summary {}

/// What a [`Summary`] says, of one file or merged over many.
///
/// # How exact it is
/// The total has twice the precision of an f64. Squares are summed, also doubly precise, of the
/// differences to a *shift*, not of the values. The shift is the first value, and whenever the count
/// is a power of two it moves to the mean of the values so far. So no digits cancel when the mean is
/// taken off at the end, whatever the values are: if `n` values with the mean `k`, the shift, were
/// followed by `j ≤ n` with the mean `m`, then `j²/(n+j)·(m-k)²` is taken off, and at least
/// `n·j/(n+j)·(m-k)²` stays. Mean and deviation have a relative error of some 10⁻¹⁵, and so have those
/// of merged files, whose squares about a common mean are computed as by Chan, Golub and LeVeque
/// (*Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*, 1979).
///
/// Where a total is beyond 1.8·10³⁰⁸, total and mean are infinite; where values are more than
/// 10¹⁵⁴ apart, their squares are, and the deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SummaryValue {
    count: u64,
    /// What differences are taken to.
    shift: f64,
    total: Sum,
    /// The sum of the squares of the differences.
    squares: Sum,
    min: f64,
    max: f64,
    last: f64,
    /// Of the last value: nanoseconds since 1970-01-01 UTC.
    last_time: u64,
    rejected: u64,
}

impl SummaryValue {
    #[inline(always)]
    fn from_words(words: [u64; WORDS]) -> SummaryValue {
        let float = |i: usize| f64::from_bits(words[i]);
        let sum = |i: usize| Sum {
            high: float(i),
            low: float(i + 1),
        };
        SummaryValue {
            count: words[0],
            shift: float(1),
            total: sum(2),
            squares: sum(4),
            min: float(6),
            max: float(7),
            last: float(8),
            last_time: words[9],
            rejected: 0,
        }
    }

    /// All but what was rejected.
    #[inline(always)]
    fn to_words(self) -> [u64; WORDS] {
        [
            self.count,
            self.shift.to_bits(),
            self.total.high.to_bits(),
            self.total.low.to_bits(),
            self.squares.high.to_bits(),
            self.squares.low.to_bits(),
            self.min.to_bits(),
            self.max.to_bits(),
            self.last.to_bits(),
            self.last_time,
        ]
    }

    /// With one value more, which is finite.
    #[inline(always)]
    fn with(mut self, value: f64, now: u64) -> SummaryValue {
        // The first value, and all after a power of two.
        if self.count & self.count.wrapping_sub(1) == 0 {
            self = self.shifted(value);
        }
        let difference = value - self.shift;
        SummaryValue {
            count: self.count.wrapping_add(1),
            shift: self.shift,
            total: self.total.plus(value),
            squares: self.squares.plus(difference * difference),
            // Comparisons and not `f64::min`, which asks for NaNs: none comes here.
            min: if value < self.min { value } else { self.min },
            max: if value > self.max { value } else { self.max },
            last: value,
            last_time: now,
            rejected: self.rejected,
        }
    }

    /// With the mean as its shift, or with the first value.
    #[cold]
    #[inline(never)]
    fn shifted(self, first: f64) -> SummaryValue {
        match self.center() {
            None => SummaryValue {
                shift: first,
                min: first,
                max: first,
                ..self
            },
            Some((mean, squares)) => self.about(mean, squares),
        }
    }

    /// The mean, and the sum of the squares of the differences to it; `None` of nothing.
    fn center(&self) -> Option<(Sum, Sum)> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let mean = self.total.over(count);
        // Σ(x - m)² = Σ(x - k)² - n·(m - k)²
        let shift = mean.minus(Sum::of(self.shift)).squared().times(count);
        Some((mean, self.squares.minus(shift)))
    }

    /// With the sum of squares about a mean expressed by the float next to it.
    fn about(self, mean: Sum, squares: Sum) -> SummaryValue {
        let around = mean.high;
        let squares = squares.plus_sum(Sum::of(mean.low).squared().times(self.count as f64));
        if !around.is_finite() || !squares.is_finite() {
            return self;
        }
        SummaryValue {
            shift: around,
            squares,
            ..self
        }
    }

    /// Adds another one; of equal times the other's last value counts.
    pub fn merge(&mut self, other: SummaryValue) {
        let rejected = self.rejected.saturating_add(other.rejected);
        *self = match (self.center(), other.center()) {
            (_, None) => *self,
            (None, _) => other,
            (Some((a, a_squares)), Some((b, b_squares))) => {
                let (a_count, b_count) = (self.count as f64, other.count as f64);
                let between = b.minus(a).squared().times(a_count);
                let between = between.times(b_count).over(a_count + b_count);
                let squares = a_squares.plus_sum(b_squares).plus_sum(between);
                let last = if other.last_time >= self.last_time {
                    other
                } else {
                    *self
                };
                let merged = SummaryValue {
                    count: self.count.saturating_add(other.count),
                    total: self.total.plus_sum(other.total),
                    // What stays where numbers have overflowed.
                    squares,
                    min: self.min.min(other.min),
                    max: self.max.max(other.max),
                    last: last.last,
                    last_time: last.last_time,
                    ..*self
                };
                let mean = merged.total.over(merged.count as f64);
                merged.about(mean, squares)
            }
        };
        self.rejected = rejected;
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn total(&self) -> f64 {
        self.total.value()
    }

    /// Their mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        Some(self.center()?.0.value())
    }

    /// Their standard deviation as of a sample (n - 1); 0 of one value, `None` of nothing.
    pub fn stddev(&self) -> Option<f64> {
        let (_, squares) = self.center()?;
        // Not negative but in a file that was tampered with; and a NaN stays one.
        let squares = if squares.high < 0.0 {
            0.0
        } else {
            squares.value()
        };
        Some(match self.count {
            1 => 0.0,
            n => (squares / (n - 1) as f64).sqrt(),
        })
    }

    /// The least value; `None` of nothing.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest value; `None` of nothing.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The value recorded last, by the coarse clocks of its writers; `None` of nothing.
    pub fn last(&self) -> Option<f64> {
        (self.count > 0).then_some(self.last)
    }

    /// When that was: seconds since 1970-01-01 UTC, to a few milliseconds; `None` of nothing.
    pub fn last_time(&self) -> Option<f64> {
        (self.count > 0).then_some(self.last_time as f64 / 1e9)
    }

    /// How many NaNs and infinities were not recorded.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// See [`Value::expose`].
    pub(crate) fn expose(&self, each: &mut dyn FnMut(&str, Value)) {
        each("Count", Value::Counter(self.count));
        each("Total", Value::Gauge(Number::Float(self.total())));
        for (name, value) in [
            ("Mean", self.mean()),
            ("StdDev", self.stddev()),
            ("Min", self.min()),
            ("Max", self.max()),
            ("Last", self.last()),
            ("LastTime", self.last_time()),
        ] {
            if let Some(value) = value {
                each(name, Value::Gauge(Number::Float(value)));
            }
        }
        each("Rejected", Value::Counter(self.rejected));
    }
}

pub(super) static KIND: Kind = Kind {
    code: code::SUMMARY,
    name: "summary",
    counts: Counts::All,
    check,
    decode,
    merge: |into, next, _, _| {
        if let (Value::Summary(sum), Value::Summary(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    none: |_| Value::Summary(Box::default()),
    fold: |_, into, next, _| {
        let mut sum = from_raw(into);
        sum.merge(from_raw(next));
        into[..WORDS].copy_from_slice(&sum.to_words());
        into[WORDS] = sum.rejected;
        Ok(())
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    if buffers == 0 || usize::from(words) != WORDS || plain != 1 {
        return Err(format!(
            "a summary with {buffers} buffers of {words} words, {plain} beside"
        ));
    }
    Ok(())
}

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Summary(Box::new(from_raw(raw.words)))
}

/// What the words of a slot and the plain one say.
fn from_raw(words: &[u64]) -> SummaryValue {
    let published = words.first_chunk().expect("as `check` has seen");
    SummaryValue {
        rejected: words[WORDS],
        ..SummaryValue::from_words(*published)
    }
}
