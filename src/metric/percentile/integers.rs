//! The handle of a percentile of u64 values and of a timer, and how their words are read.

use std::fmt;
use std::rc::Rc;

use crate::format::histogram::{DEFAULT_DIGITS, Layout};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::field::{Binder, Describe, Options};
use crate::metric::hot_cold::SeldomSlot;
use crate::metric::kind::{Counts, Kind, Raw, code};
use crate::metric::percentile::distribution::Distribution;
use crate::metric::percentile::exemplars::{self, Exemplars};
use crate::metric::percentile::moments::{MOMENTS, Moments};
use crate::metric::percentile::samples;
use crate::metric::storage::Storage;
use crate::metric::value::Value;
use crate::metric::window::{self, ring::StepRing};
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Octaves, Slot, Width, Word, Words};
use crate::sys::process::clock;

/// The handle.
pub struct Integers {
    moments: SeldomSlot<MomentsWidth>,
    layout: Layout,
    /// With a window, no octave is ever entered here: each value takes the path of one without a bucket, so
    /// that a handle without a window does not test for one.
    buckets: Buckets,
    window: Option<Box<Window>>,
    exemplars: Exemplars,
}

/// The counts of a distribution.
struct Buckets {
    octaves: Octaves,
    /// Counts of octaves without buckets, one word each.
    coarse: Words,
    /// The file; `None` for private memory, which cannot grow.
    storage: Option<Rc<dyn Storage>>,
    /// Offset of the metric's place, to which the records of its octaves refer.
    owner: u32,
    /// The number of the record of octave 0.
    first: usize,
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

impl Integers {
    /// [`record`](Self::record) for a timer, out of line.
    #[inline(never)]
    pub fn record_out_of_line(&self, value: u64) {
        self.record(value);
    }

    /// Records a value.
    // Always: otherwise the compiler makes calls where a program has several records, which costs a tenth of a
    // nanosecond in three.
    #[inline(always)]
    pub fn record(&self, value: u64) {
        let (top, position) = self.layout.place(value);
        // The bucket first, then the moments: at rest they agree, and a writer that dies between the two leaves
        // them one apart.
        match self.buckets.octaves.word(top, position) {
            // Relaxed: as for a Counter.
            Some(bucket) => {
                bucket.store(
                    bucket.load(Ordering::Relaxed).wrapping_add(1),
                    Ordering::Relaxed,
                );
            }
            // This call is the last one, and so is that in `publish`: nothing has to be kept across a call.
            None => return self.without_bucket(top, position, value),
        }
        self.publish(value);
    }

    /// Records a value and keeps it as the exemplar of its octave.
    pub fn record_with(&self, value: u64, context: &[u8]) {
        self.record_out_of_line(value);
        let (top, _) = self.layout.place(value);
        let octave = self.layout.octave(top) as u32;
        let buckets = self.buckets();
        let place = (buckets.storage.as_ref(), buckets.owner);
        self.exemplars.keep(place, octave, value, context);
    }

    /// Publishes the moments with one more value.
    #[inline(always)]
    fn publish(&self, value: u64) {
        let often = |before: &[AtomicU64]| Moments::often(before, value);
        if !self.moments.update_often(often) {
            self.publish_all(value);
        }
    }

    /// Like [`publish`](Self::publish), for all words: there is a new extreme or a carry, or was one just
    /// before.
    #[cold]
    #[inline(never)]
    fn publish_all(&self, value: u64) {
        self.moments.update_all(&Moments::SELDOM, |before| {
            Moments::load(before).with(value).to_words()
        });
    }

    /// Returns the moments that were published last.
    fn moments(&self) -> Moments {
        Moments::load(self.moments.last())
    }

    #[cold]
    fn without_bucket(&self, top: u32, position: usize, value: u64) {
        match &self.window {
            Some(window) => {
                window.all.count(self.layout, top, position);
                self.record_in_window(value, clock::coarse_nanos());
            }
            None => self.buckets.first_of_octave(self.layout, top, position),
        }
        self.publish(value);
    }

    /// Records a value in the step of `now`, by the monotonic clock.
    pub(in super::super) fn record_in_window(&self, value: u64, now: u64) {
        let Some(Window { ring, steps, .. }) = self.window.as_deref() else {
            return;
        };
        let (top, position) = self.layout.place(value);
        let index = ring.at(now, |index| steps[index].clear(self.layout));
        steps[index].count(self.layout, top, position);
        ring.update(|step| {
            let moments = step.last_chunk_mut::<MOMENTS>();
            let moments = moments.expect("a step is longer");
            *moments = Moments::from_words(moments).with(value).to_words();
        });
    }

    /// Returns the buckets in which the values are counted.
    fn buckets(&self) -> &Buckets {
        (self.window.as_ref()).map_or(&self.buckets, |window| &window.all)
    }

    /// Returns how many values were recorded in this thread's file.
    #[inline]
    pub fn count(&self) -> u64 {
        self.moments().count
    }

    /// Returns the distribution in this thread's file. Copies the buckets, which takes microseconds.
    pub fn distribution(&self) -> Distribution {
        let (layout, buckets) = (self.layout, self.buckets());
        let coarse: Vec<u64> = (buckets.coarse.iter())
            .map(|word| word.load(Ordering::Relaxed))
            .collect();
        let octaves: Vec<(u32, Vec<u64>)> = (0..layout.octaves())
            .map(|octave| (octave as u32, buckets.octave(layout, octave)))
            .map(|(octave, words)| {
                let counts = words.map(|word| word.load(Ordering::Relaxed));
                (octave, counts.collect())
            })
            .filter(|(_, counts): &(u32, Vec<u64>)| !counts.is_empty())
            .collect();
        let octaves: Vec<(u32, &[u64])> = octaves
            .iter()
            .map(|(o, counts)| (*o, &counts[..]))
            .collect();
        Distribution::of(layout, self.moments(), &coarse, &octaves)
    }

    /// Binds the metric and its window to their places.
    pub(in super::super) fn bind(binder: &mut Binder<'_>, options: Options<'_>) -> Integers {
        let layout = layout(options);
        let storage = binder.storage().cloned();
        let buckets = |owner: u32, first: usize, coarse: Words| Buckets {
            octaves: Octaves::new(layout.buckets()),
            coarse,
            storage: storage.clone(),
            owner,
            first,
        };
        let geometry = geometry(options);
        let (words, owner) = binder.place(geometry);
        let coarse = words.part(geometry.slot_words(), layout.octaves());
        let window = binder.window(options, window_geometry(options));
        let window = window.map(|place| {
            let ring = StepRing::new(&place);
            let coarse = |index: usize| place.plain.part(window::PLAIN + index, layout.octaves());
            let steps = (0..window::STEPS).map(|index| {
                let first = index * layout.octaves();
                buckets(place.owner, first, coarse(first))
            });
            Box::new(Window {
                ring,
                steps: steps.collect(),
                all: buckets(
                    owner,
                    0,
                    words.part(geometry.slot_words(), layout.octaves()),
                ),
            })
        });
        Integers {
            moments: SeldomSlot::new(Slot::new(
                words.part(0, geometry.slot_words()),
                geometry.buffers.into(),
            )),
            layout,
            buckets: buckets(owner, 0, coarse),
            window,
            exemplars: Exemplars::default(),
        }
    }

    /// Adds the metric, and its window, to a schema.
    pub(in super::super) fn describe(
        kind: u16,
        schema: &mut Describe,
        label: &str,
        options: Options<'_>,
    ) {
        let metric = schema.metric(kind, label, options, geometry(options));
        metric.scalar = Some(Scalar::U64);
        metric.parameter = options.digits.unwrap_or(DEFAULT_DIGITS);
        if options.window.is_some() {
            schema.window(kind, label, options, window_geometry(options));
        }
    }
}

impl Buckets {
    /// Counts a value.
    fn count(&self, layout: Layout, top: u32, position: usize) {
        match self.octaves.word(top, position) {
            // Relaxed: as for a Counter.
            Some(bucket) => bucket.store(
                bucket.load(Ordering::Relaxed).wrapping_add(1),
                Ordering::Relaxed,
            ),
            None => self.first_of_octave(layout, top, position),
        }
    }

    /// Counts the first value of an octave, or a value of an octave without space.
    #[cold]
    fn first_of_octave(&self, layout: Layout, top: u32, position: usize) {
        let octave = layout.octave(top);
        let coarse = &self.coarse[octave];
        let count = coarse.load(Ordering::Relaxed);
        // Asking again at every power of two finds space that has come back, at next to no cost.
        if (count == 0 || count.is_power_of_two())
            && let Some(storage) = &self.storage
            && let Some(words) = storage.octave(self.owner, self.first + octave, layout.buckets())
        {
            words[position % layout.buckets()].store(1, Ordering::Relaxed);
            self.octaves.insert(top, words);
        } else {
            coarse.store(count.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Returns the counts of an octave, if it has any.
    fn octave(&self, layout: Layout, octave: usize) -> impl Iterator<Item = Word> {
        (0..layout.buckets()).filter_map(move |i| self.octaves.word(layout.top(octave), i))
    }

    /// Sets all counts to zero.
    fn clear(&self, layout: Layout) {
        for octave in 0..layout.octaves() {
            self.coarse[octave].store(0, Ordering::Relaxed);
            for count in self.octave(layout, octave) {
                count.store(0, Ordering::Relaxed);
            }
        }
    }
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

/// Words of a step: its stamp, and its moments.
const STEP: usize = 1 + MOMENTS;

fn window_geometry(options: Options<'_>) -> Geometry {
    let coarse = window::STEPS * layout(options).octaves();
    window::geometry(STEP, coarse, options.buffers)
}

/// Returns how many words of moments and how many coarse counts a distribution with this many digits has.
pub(in super::super) fn words_of(digits: u32) -> Option<(usize, usize)> {
    Some((MOMENTS, Layout::new(digits)?.octaves()))
}

/// Decodes a step of a window. The octaves of its counts are numbered from 0.
pub(in super::super) fn of_step(
    schema: &MetricSchema,
    moments: Moments,
    coarse: &[u64],
    octaves: &[(u32, &[u64])],
) -> Value {
    let Some(layout) = Layout::new(schema.parameter) else {
        return Value::Percentile(Box::new(nothing(schema)));
    };
    let mut decoded = Distribution::of(layout, moments, coarse, octaves);
    // A step that has just begun anew may still have the counts of the one whose space it took. (The counts of
    // a fast writer are ahead of the moments by what it records while they are read.)
    if decoded.bucket_count() / 2 > moments.count.saturating_add(1000) {
        decoded = Distribution::of(layout, moments, &[], &[]);
    }
    let decoded = Box::new(decoded);
    match schema.kind {
        code::TIMER => Value::Timer(decoded),
        _ => Value::Percentile(decoded),
    }
}

impl fmt::Debug for Integers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.moments().fmt(f)
    }
}

pub(in super::super) static KIND: Kind = Kind {
    code: code::PERCENTILE,
    name: "percentile",
    count: |value| value.as_distribution().map(Distribution::count),
    counts: Counts::All,
    check,
    decode: |schema, raw| Value::Percentile(Box::new(decode(schema, raw))),
    merge: |into, next, _, _| {
        if let (Value::Percentile(sum), Value::Percentile(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Percentile(now), Value::Percentile(before)) = (now, before) {
            **now = now.since(before);
        }
    }),
    none: |schema| Value::Percentile(Box::new(nothing(schema))),
    fold,
    extents: Some(&exemplars::EXTENTS),
    unit: None,
    samples: |value, unit, each| {
        if let Value::Percentile(values) = value {
            samples::of_integers(values, 1.0, unit, each);
        }
    },
};

/// Merges the moments and adds up the coarse counts. Words that a later writer has between them are not known,
/// which is an error.
pub(in super::super) fn fold(
    schema: &MetricSchema,
    into: &mut [u64],
    next: &[u64],
    _: u64,
) -> Result<(), String> {
    let words = usize::from(schema.geometry.words);
    if words > MOMENTS {
        return Err(format!(
            "moments of {words} words, written by a newer mmstats"
        ));
    }
    let moments = |words: &[u64]| Moments::from_words(words.first_chunk().expect("as checked"));
    let merged = moments(into).merge(moments(next));
    into[..MOMENTS].copy_from_slice(&merged.to_words());
    for (sum, count) in into[MOMENTS..].iter_mut().zip(&next[MOMENTS..]) {
        *sum = sum.saturating_add(*count);
    }
    Ok(())
}

pub(in super::super) fn check(schema: &MetricSchema) -> Result<(), String> {
    let Some(layout) = Layout::new(schema.parameter) else {
        return Err(format!("a distribution with {} digits", schema.parameter));
    };
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    // Words beyond the moments are a later writer's (a stamp, say) and are ignored.
    if buffers == 0 || usize::from(words) < MOMENTS || usize::from(plain) != layout.octaves() {
        return Err(format!(
            "a distribution with {buffers} buffers of {words} words and {plain} plain words"
        ));
    }
    Ok(())
}

pub(in super::super) fn nothing(schema: &MetricSchema) -> Distribution {
    let digits = Layout::new(schema.parameter).or(Layout::new(DEFAULT_DIGITS));
    Distribution::new(digits.expect("the default is allowed"))
}

pub(in super::super) fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Distribution {
    let Some(layout) = Layout::new(schema.parameter) else {
        return nothing(schema);
    };
    let (buffer, coarse) = raw.words.split_at(schema.geometry.words.into());
    let moments = buffer.first_chunk().expect("as `check` has seen");
    let mut value = Distribution::of(layout, Moments::from_words(moments), coarse, raw.extents);
    value.set_exemplars(raw.extents, raw.contexts);
    if raw.retired {
        value.without_last()
    } else {
        value
    }
}
