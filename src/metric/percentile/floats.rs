//! The handle of a percentile of f64 values, and how its words are read.
//!
//! It is like that for integers, with two differences. The moments are those of a Summary, without a time. And
//! an octave is looked up by sign and exponent ([`FloatOctaves`]), of which there are 4096, not by a top bit.

use std::fmt;
use std::rc::Rc;

use crate::format::float_histogram::{FloatLayout, OCTAVES, OCTAVES_OF_RANGE, RANGES};
use crate::format::histogram::DEFAULT_DIGITS;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::field::{Binder, Describe, Options};
use crate::metric::hot_cold::SeldomSlot;
use crate::metric::kind::{Counts, Kind, Raw, code};
use crate::metric::percentile::exemplars::{self, Exemplars};
use crate::metric::percentile::float_distribution::FloatDistribution;
use crate::metric::percentile::samples;
use crate::metric::storage::Storage;
use crate::metric::summary::value::{SummaryValue, WORDS};
use crate::metric::value::Value;
use crate::metric::window::{self, ring::StepRing};
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{FloatOctaves, Slot, Width, Word, Words};
use crate::sys::process::clock;

/// Plain words: the counts of the ranges, and the number of rejected values.
const PLAIN: usize = RANGES + 1;
/// Index of the number of rejected values.
const REJECTED: usize = RANGES;
/// Words of a window's step: its stamp, and the moments.
const STEP: usize = 1 + WORDS;
/// Moments have no time.
const NO_TIME: u64 = 0;

/// The handle.
pub struct Floats {
    moments: SeldomSlot<MomentsWidth>,
    layout: FloatLayout,
    /// With a window, no octave is ever entered here: each value takes the path of one without a bucket, so
    /// that a handle without a window does not test for one. A value that is not finite takes this path, too.
    buckets: Buckets,
    rejected: Word,
    window: Option<Box<Window>>,
    exemplars: Exemplars,
}

#[derive(Clone, Copy, Debug)]
struct MomentsWidth;

impl Width for MomentsWidth {
    const WORDS: usize = WORDS;
}

/// The counts of a distribution.
struct Buckets {
    octaves: FloatOctaves,
    /// Counts of values whose octave has no buckets, one word for each range.
    ranges: Words,
    /// The file; `None` for private memory, which cannot grow.
    storage: Option<Rc<dyn Storage>>,
    /// Offset of the metric's place, to which the records of its octaves refer.
    owner: u32,
    /// The number of the record of octave 0.
    first: usize,
}

/// What a percentile with a window has in addition.
struct Window {
    /// The metric's own counts.
    all: Buckets,
    /// The moments of the steps.
    ring: StepRing<STEP>,
    /// The counts of the steps.
    steps: Box<[Buckets]>,
}

fn layout(options: Options<'_>) -> FloatLayout {
    FloatLayout::new(options.digits.unwrap_or(DEFAULT_DIGITS))
        .expect("the derive and the builders check the digits")
}

fn geometry(options: Options<'_>) -> Geometry {
    Geometry {
        plain: PLAIN as u16,
        ..Geometry::slot(WORDS, options.buffers)
    }
}

fn window_geometry(options: Options<'_>) -> Geometry {
    window::geometry(STEP, window::STEPS * RANGES, options.buffers)
}

impl Floats {
    /// Records a value.
    #[inline]
    pub(super) fn record(&self, value: f64) {
        let (octave, position) = self.layout.place(value);
        // The bucket first, then the moments: at rest they agree, and a writer that dies between the two leaves
        // them one apart.
        match self.buckets.octaves.word(octave, position) {
            // Relaxed: as for a Counter.
            Some(bucket) => {
                bucket.store(
                    bucket.load(Ordering::Relaxed).wrapping_add(1),
                    Ordering::Relaxed,
                );
            }
            // This call is the last one, and so is that in `publish`: nothing has to be kept across a call.
            None => return self.without_bucket(value),
        }
        self.publish(value);
    }

    /// Records a value and keeps it as the exemplar of its octave.
    pub(super) fn record_with(&self, value: f64, context: &[u8]) {
        self.record(value);
        if value.is_finite() {
            let (octave, _) = self.layout.place(value);
            let buckets = self
                .window
                .as_ref()
                .map_or(&self.buckets, |window| &window.all);
            let place = (buckets.storage.as_ref(), buckets.owner);
            (self.exemplars).keep(place, octave, value.to_bits(), context);
        }
    }

    /// Records a value this many times.
    #[cfg(feature = "metrics")]
    pub(super) fn record_many(&self, value: f64, times: u64) {
        if times == 0 {
            return;
        }
        // The first record makes the octave's buckets.
        self.record(value);
        let more = times - 1;
        if self.window.is_some() {
            return (0..more).for_each(|_| self.record(value));
        }
        let (octave, position) = self.layout.place(value);
        let word: &AtomicU64 = match self.buckets.octaves.find(octave, position) {
            _ if !value.is_finite() => &self.rejected,
            Some(bucket) => &*{ bucket },
            None => &self.buckets.ranges[octave as usize / OCTAVES_OF_RANGE],
        };
        // Relaxed: as for a Counter.
        let count = word.load(Ordering::Relaxed);
        word.store(count.wrapping_add(more), Ordering::Relaxed);
        if value.is_finite() && more > 0 {
            self.moments.update_all(&SummaryValue::SELDOM, |before| {
                let mut all = SummaryValue::load(before);
                all.merge(SummaryValue::same(value, more));
                all.to_words()
            });
        }
    }

    /// Publishes the moments with one more value.
    #[inline(always)]
    fn publish(&self, value: f64) {
        let often = |before: &[AtomicU64]| SummaryValue::often_without_time(before, value);
        if !self.moments.update_often(often) {
            self.publish_all(value);
        }
    }

    /// Like [`publish`](Self::publish), for all words: there is a new extreme or shift, or was one just before.
    #[cold]
    #[inline(never)]
    fn publish_all(&self, value: f64) {
        self.moments.update_all(&SummaryValue::SELDOM, |before| {
            SummaryValue::load(before).with(value, NO_TIME).to_words()
        });
    }

    #[cold]
    fn without_bucket(&self, value: f64) {
        if !value.is_finite() {
            // Relaxed: as for a Counter.
            let rejected = self.rejected.load(Ordering::Relaxed);
            self.rejected
                .store(rejected.wrapping_add(1), Ordering::Relaxed);
            return;
        }
        match &self.window {
            Some(window) => {
                window.all.count(self.layout, value);
                self.record_in_window(value, clock::coarse_nanos());
            }
            None => self.buckets.count(self.layout, value),
        }
        self.publish(value);
    }

    /// Records a value in the step of `now`, by the monotonic clock.
    fn record_in_window(&self, value: f64, now: u64) {
        let Some(Window { ring, steps, .. }) = self.window.as_deref() else {
            return;
        };
        let index = ring.at(now, |index| steps[index].clear());
        steps[index].count(self.layout, value);
        ring.update(|step| {
            let moments = step.last_chunk_mut::<WORDS>();
            let moments = moments.expect("a step is longer");
            *moments = SummaryValue::from_words(*moments)
                .with(value, NO_TIME)
                .to_words();
        });
    }

    /// Returns how many values were recorded.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.moments().count()
    }

    /// Returns the moments that were published last.
    fn moments(&self) -> SummaryValue {
        // Relaxed: this thread is the only writer.
        let rejected = self.rejected.load(Ordering::Relaxed);
        SummaryValue::load(self.moments.last()).with_rejected(rejected)
    }

    /// Returns the distribution so far.
    pub(super) fn distribution(&self) -> FloatDistribution {
        let buckets = (self.window.as_ref()).map_or(&self.buckets, |window| &window.all);
        // Relaxed: as in `moments`.
        let load = |words: &[AtomicU64]| -> Vec<u64> {
            (words.iter())
                .map(|word| word.load(Ordering::Relaxed))
                .collect()
        };
        let octaves: Vec<(u32, Vec<u64>)> = (buckets.octaves.iter())
            .map(|(octave, counts)| (octave, load(&counts)))
            .collect();
        let octaves: Vec<(u32, &[u64])> = octaves
            .iter()
            .map(|(octave, counts)| (*octave, &counts[..]))
            .collect();
        let ranges = load(&buckets.ranges);
        FloatDistribution::of(self.layout, self.moments(), &ranges, &octaves)
    }

    /// Adds the metric, and its window, to a schema.
    pub(super) fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let metric = schema.metric(code::FLOAT_PERCENTILE, label, options, geometry(options));
        metric.scalar = Some(Scalar::F64);
        metric.parameter = options.digits.unwrap_or(DEFAULT_DIGITS);
        if options.window.is_some() {
            let geometry = window_geometry(options);
            schema.window(code::FLOAT_PERCENTILE, label, options, geometry);
        }
    }

    /// Binds the metric and its window to their places.
    pub(super) fn bind(binder: &mut Binder<'_>, options: Options<'_>) -> Floats {
        let layout = layout(options);
        let storage = binder.storage().cloned();
        let buckets = |owner: u32, first: usize, ranges: Words| Buckets {
            octaves: FloatOctaves::new(layout.buckets()),
            ranges,
            storage: storage.clone(),
            owner,
            first,
        };
        let geometry = geometry(options);
        let (words, owner) = binder.place(geometry);
        let ranges = words.part(geometry.slot_words(), RANGES);
        let window = binder.window(options, window_geometry(options));
        let window = window.map(|place| {
            let ring = StepRing::new(&place);
            let steps = (0..window::STEPS).map(|index| {
                let ranges = place.plain.part(window::PLAIN + index * RANGES, RANGES);
                buckets(place.owner, index * OCTAVES, ranges)
            });
            Box::new(Window {
                ring,
                steps: steps.collect(),
                all: buckets(owner, 0, ranges),
            })
        });
        Floats {
            moments: SeldomSlot::new(Slot::new(
                words.part(0, geometry.slot_words()),
                geometry.buffers.into(),
            )),
            layout,
            buckets: buckets(owner, 0, ranges),
            rejected: words.word(geometry.slot_words() + REJECTED),
            window,
            exemplars: Exemplars::default(),
        }
    }
}

impl Buckets {
    /// Counts a finite value. The first one of an octave asks for its buckets.
    fn count(&self, layout: FloatLayout, value: f64) {
        let (octave, position) = layout.place(value);
        // Relaxed, here and below: as for a Counter.
        let add = |word: &AtomicU64| {
            let count = word.load(Ordering::Relaxed);
            word.store(count.wrapping_add(1), Ordering::Relaxed);
        };
        if let Some(bucket) = self.octaves.find(octave, position) {
            return add(&bucket);
        }
        let range = &self.ranges[octave as usize / OCTAVES_OF_RANGE];
        let count = range.load(Ordering::Relaxed);
        // Asking again at every power of two finds space that has come back, at next to no cost.
        if (count == 0 || count.is_power_of_two())
            && let Some(storage) = &self.storage
            && let Some(words) =
                storage.octave(self.owner, self.first + octave as usize, layout.buckets())
        {
            self.octaves.insert(octave, words);
            add(&words[position % layout.buckets()]);
        } else {
            add(range);
        }
    }

    /// Sets all counts to zero.
    fn clear(&self) {
        let zero = |words: &[AtomicU64]| {
            (words.iter()).for_each(|word| word.store(0, Ordering::Relaxed));
        };
        zero(&self.ranges);
        self.octaves.iter().for_each(|(_, counts)| zero(&counts));
    }
}

impl fmt::Debug for Floats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.moments().fmt(f)
    }
}

pub(in super::super) static KIND: Kind = Kind {
    code: code::FLOAT_PERCENTILE,
    name: "percentile",
    count: |value| match value {
        Value::FloatPercentile(values) => Some(values.count()),
        _ => None,
    },
    counts: Counts::All,
    check,
    decode: |schema, raw| Value::FloatPercentile(Box::new(decode(schema, raw))),
    merge: |into, next, _, _| {
        if let (Value::FloatPercentile(sum), Value::FloatPercentile(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::FloatPercentile(now), Value::FloatPercentile(before)) = (now, before) {
            **now = now.since(before);
        }
    }),
    none: |schema| Value::FloatPercentile(Box::new(nothing(schema))),
    fold: |_, into, next, _| {
        let moments = |words: &[u64]| {
            let moments = words.first_chunk().expect("as `check` has seen");
            SummaryValue::from_words(*moments)
        };
        let merged = moments(into).merged_without_time(moments(next));
        into[..WORDS].copy_from_slice(&merged.to_words());
        for (sum, count) in into[WORDS..].iter_mut().zip(&next[WORDS..]) {
            *sum = sum.saturating_add(*count);
        }
        Ok(())
    },
    extents: Some(&exemplars::EXTENTS),
    unit: None,
    samples: |value, unit, each| {
        if let Value::FloatPercentile(values) = value {
            samples::of_floats(values, unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    if FloatLayout::new(schema.parameter).is_none() {
        return Err(format!("a distribution with {} digits", schema.parameter));
    }
    crate::metric::kind::check_slot(schema, "a distribution", WORDS..=WORDS, PLAIN as u32)
}

fn nothing(schema: &MetricSchema) -> FloatDistribution {
    let layout = FloatLayout::new(schema.parameter).or(FloatLayout::new(DEFAULT_DIGITS));
    FloatDistribution::new(layout.expect("the default is allowed"))
}

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> FloatDistribution {
    let Some(layout) = FloatLayout::new(schema.parameter) else {
        return nothing(schema);
    };
    let (buffer, plain) = raw.words.split_at(WORDS);
    let moments = buffer.first_chunk().expect("as `check` has seen");
    let moments = SummaryValue::from_words(*moments).with_rejected(plain[REJECTED]);
    let mut value = FloatDistribution::of(layout, moments, &plain[..RANGES], raw.extents);
    value.set_exemplars(raw.extents, raw.contexts);
    value
}

/// Returns how many words of moments and how many counts of ranges a distribution with this many digits has.
pub(in super::super) fn words_of(digits: u32) -> Option<(usize, usize)> {
    FloatLayout::new(digits).map(|_| (WORDS, RANGES))
}

/// Decodes a step of a window. The octaves of its counts are numbered from 0.
pub(in super::super) fn of_step(
    schema: &MetricSchema,
    moments: &[u64],
    ranges: &[u64],
    octaves: &[(u32, &[u64])],
) -> Value {
    let (Some(layout), Some(moments)) = (
        FloatLayout::new(schema.parameter),
        moments.first_chunk::<WORDS>(),
    ) else {
        return Value::FloatPercentile(Box::new(nothing(schema)));
    };
    let moments = SummaryValue::from_words(*moments);
    let mut decoded = FloatDistribution::of(layout, moments, ranges, octaves);
    // As for integers: a step that has just begun anew may still have the counts of the one whose space it
    // took.
    if decoded.bucket_count() / 2 > moments.count().saturating_add(1000) {
        decoded = FloatDistribution::of(layout, moments, &[], &[]);
    }
    Value::FloatPercentile(Box::new(decoded))
}
