//! Percentile: a distribution of u64 values.

use std::fmt;
use std::rc::Rc;

use super::Value;
use super::distribution::{Distribution, MOMENTS, Moments};
use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesDigits, TakesUnit};
use super::kind::{Counts, Kind, Raw, code};
use super::space::Space;
use crate::format::histogram::{DEFAULT_DIGITS, Layout};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::words::{Octaves, Slot, Width, Words};

/// A distribution of u64 values: sizes, lengths, anything whose percentiles matter. Count, total,
/// mean, standard deviation, minimum, maximum and last value always belong together.
///
/// Values of the full range are counted in log-linear buckets with a relative error of 10⁻ᵈ at most,
/// `d` = 2 unless `#[mmstats(digits = 3)]` says otherwise. The buckets of an octave (1 KiB with two
/// digits) are reserved at its first value; where the space cannot be had only precision is lost.
pub struct Percentile {
    moments: Slot<MomentsWidth>,
    layout: Layout,
    octaves: Octaves,
    /// Counts of octaves without buckets, one word each.
    coarse: Words,
    /// The file; `None`: private memory, which cannot grow.
    space: Option<Rc<dyn Space>>,
    /// Offset of the metric's place: what the records of its octaves refer to.
    owner: u32,
}

#[derive(Clone, Copy, Debug)]
struct MomentsWidth;

impl Width for MomentsWidth {
    const WORDS: usize = MOMENTS;
}

fn layout(options: Options<'_>) -> Layout {
    Layout::new(options.digits.unwrap_or(DEFAULT_DIGITS))
        .expect("the derive and the builders check the digits")
}

fn geometry(options: Options<'_>) -> Geometry {
    Geometry {
        plain: layout(options).octaves() as u16,
        ..Geometry::slot(MOMENTS, options.buffers)
    }
}

impl Percentile {
    /// Records a value.
    #[inline]
    pub fn record(&self, value: u64) {
        let (top, position) = self.layout.place(value);
        // The bucket first, the moments after: at rest they agree, and a writer that dies between
        // the two leaves them one apart.
        match self.octaves.word(top, position) {
            // Relaxed: as for a Counter.
            Some(bucket) => {
                bucket.store(
                    bucket.load(Ordering::Relaxed).wrapping_add(1),
                    Ordering::Relaxed,
                );
            }
            None => self.first_of_octave(top, position),
        }
        // A copy: the stores below could be to the handle, for all that the compiler knows.
        let slot = self.moments;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| load::<{ MOMENTS - 1 }>(before).with(value).to_words(),
        );
    }

    /// The moments that were published last.
    #[inline(always)]
    fn moments(&self) -> Moments {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.moments.sequence().load(Ordering::Relaxed));
        load::<MOMENTS>(self.moments.buffer(p))
    }

    /// Counts the first value of an octave, or one of an octave whose space could not be had.
    #[cold]
    fn first_of_octave(&self, top: u32, position: usize) {
        let octave = self.layout.octave(top);
        let coarse = &self.coarse[octave];
        let count = coarse.load(Ordering::Relaxed);
        // Asking again at every power of two finds space that has come back at next to no cost.
        if (count == 0 || count.is_power_of_two())
            && let Some(space) = &self.space
            && let Some(words) = space.octave(self.owner, octave, self.layout.buckets())
        {
            words[position % self.layout.buckets()].store(1, Ordering::Relaxed);
            self.octaves.insert(top, words);
        } else {
            coarse.store(count.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// How many values were recorded in this thread's file.
    #[inline]
    pub fn count(&self) -> u64 {
        self.moments().count
    }

    /// The distribution in this thread's file. Copies the buckets: microseconds.
    pub fn distribution(&self) -> Distribution {
        let coarse: Vec<u64> = (self.coarse.iter())
            .map(|word| word.load(Ordering::Relaxed))
            .collect();
        let octaves: Vec<(u32, Vec<u64>)> = (0..self.layout.octaves())
            .map(|octave| {
                let word = |i| {
                    Some(
                        self.octaves
                            .word(self.layout.top(octave), i)?
                            .load(Ordering::Relaxed),
                    )
                };
                (
                    octave as u32,
                    (0..self.layout.buckets()).filter_map(word).collect(),
                )
            })
            .filter(|(_, counts): &(u32, Vec<u64>)| !counts.is_empty())
            .collect();
        let octaves: Vec<(u32, &[u64])> = octaves
            .iter()
            .map(|(o, counts)| (*o, &counts[..]))
            .collect();
        Distribution::of(self.layout, self.moments(), &coarse, &octaves)
    }

    pub(super) fn describe_as(kind: u16, schema: &mut Describe, label: &str, options: Options<'_>) {
        let metric = schema.metric(kind, label, options, geometry(options));
        metric.scalar = Some(Scalar::U64);
        metric.parameter = options.digits.unwrap_or(DEFAULT_DIGITS);
    }
}

/// The moments in the first `N` words of a buffer. (The next value needs no last one.)
#[inline(always)]
fn load<const N: usize>(buffer: &[AtomicU64]) -> Moments {
    // Relaxed: this thread is the only writer.
    let word = |i: usize| {
        if i < N {
            buffer[i].load(Ordering::Relaxed)
        } else {
            0
        }
    };
    Moments::from_words(&std::array::from_fn(word))
}

impl fmt::Debug for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Percentile").field(&self.moments()).finish()
    }
}

impl Field for Percentile {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        Percentile::describe_as(code::PERCENTILE, schema, label, options);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Percentile {
        let geometry = geometry(options);
        let (words, owner) = binder.place(geometry);
        let layout = layout(options);
        Percentile {
            moments: Slot::new(
                words.part(0, geometry.slot_words()),
                geometry.buffers.into(),
            ),
            layout,
            octaves: Octaves::new(layout.buckets()),
            coarse: words.part(geometry.slot_words(), layout.octaves()),
            space: binder.space().cloned(),
            owner,
        }
    }
}

impl TakesDigits for Percentile {}
impl TakesUnit for Percentile {}
impl TakesBuffers for Percentile {}

pub(super) static KIND: Kind = Kind {
    code: code::PERCENTILE,
    name: "percentile",
    counts: Counts::All,
    check,
    decode: |schema, raw| Value::Percentile(Box::new(decode(schema, raw))),
    merge: |into, next, _, _| {
        if let (Value::Percentile(sum), Value::Percentile(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    none: |schema| Value::Percentile(Box::new(nothing(schema))),
    fold,
};

/// Moments merge, coarse counts add up. Words that a later writer has between them are not known.
pub(super) fn fold(
    schema: &MetricSchema,
    into: &mut [u64],
    next: &[u64],
    _: u64,
) -> Result<(), String> {
    let words = usize::from(schema.geometry.words);
    if words > MOMENTS {
        return Err(format!("moments of {words} words, of a newer mmstats"));
    }
    let moments = |words: &[u64]| Moments::from_words(words.first_chunk().expect("as checked"));
    let merged = moments(into).merge(moments(next));
    into[..MOMENTS].copy_from_slice(&merged.to_words());
    for (sum, count) in into[MOMENTS..].iter_mut().zip(&next[MOMENTS..]) {
        *sum = sum.saturating_add(*count);
    }
    Ok(())
}

pub(super) fn check(schema: &MetricSchema) -> Result<(), String> {
    let Some(layout) = Layout::new(schema.parameter) else {
        return Err(format!("a distribution with {} digits", schema.parameter));
    };
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    // More words than the moments are a later writer's (a stamp, say), and are not looked at.
    if buffers == 0 || usize::from(words) < MOMENTS || usize::from(plain) != layout.octaves() {
        return Err(format!(
            "a distribution with {buffers} buffers of {words} words, {plain} beside"
        ));
    }
    Ok(())
}

pub(super) fn nothing(schema: &MetricSchema) -> Distribution {
    let digits = Layout::new(schema.parameter).or(Layout::new(DEFAULT_DIGITS));
    Distribution::new(digits.expect("the default is allowed"))
}

pub(super) fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Distribution {
    let Some(layout) = Layout::new(schema.parameter) else {
        return nothing(schema);
    };
    let (buffer, coarse) = raw.words.split_at(schema.geometry.words.into());
    let moments = buffer.first_chunk().expect("as `check` has seen");
    Distribution::of(layout, Moments::from_words(moments), coarse, raw.octaves)
}
