//! Windows: what a metric counted in the last minute, say, beside what it ever counted.
//!
//! A metric with a window has a second entry in the schema, `<label>.Window`. It has room for
//! [`STEPS`] values of the metric's own kind, each with the time at which its *step* began: a window is
//! [`COUNTED`] steps long. The writer records each value a second time, in the step of now, and takes
//! the oldest room for a new step. A reader adds up the steps that are not too old *for the reader's
//! clock*; so a window empties without a write, and is right at once for a reader that was not there
//! before.
//!
//! # How exact it is
//! The step of now is a part of one, so what counts reaches between 11 and 12 steps back: up to a twelfth
//! of the window is missing at its far edge, and never is anything counted that is older. The clock is
//! the system's monotonic one, the same for all processes of a machine since it was started: setting
//! the time changes nothing. (It stands still while the machine sleeps.) The window of a file of another
//! machine, of another run of this one, or of another time namespace is left out.

#[cfg(test)]
mod tests;

use std::cell::Cell;

use super::field::WindowPlace;
use super::kind::{self, Counts, ENDS, Kind, Raw, code};
use super::percentile::integers;
use super::percentile::moments::Moments;
use super::summary::value::{SummaryValue, WORDS as SUMMARY_WORDS};
use super::{Value, counter, percentile};
use crate::format::scalar::Number;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};

/// Steps that count.
pub const COUNTED: u64 = 12;
/// Steps that have room: the one that is begun anew is out of every window.
pub const STEPS: usize = COUNTED as usize + 1;
/// What the label of a window's entry ends with.
pub const SUFFIX: &str = ".Window";
/// Plain words before those of the kind: nanoseconds of a step.
pub const PLAIN: usize = 1;
/// The shortest window and the longest, in nanoseconds: a step should be many ticks of the coarse clock.
pub const LENGTHS: std::ops::RangeInclusive<u64> = 1_000_000_000..=24 * 3_600_000_000_000;

/// The steps of a window, as their writer has them: `W` words for each, the first of which is 1 + the
/// number of the step. One that never was begun is zeros.
#[derive(Debug)]
pub(super) struct Ring<const W: usize> {
    slot: Slot<RingWidth<W>>,
    buffers: u16,
    /// Nanoseconds of a step.
    step: u64,
    /// When the step of now began.
    begin: Cell<u64>,
    /// Its number among the steps.
    index: Cell<usize>,
}

#[derive(Clone, Copy, Debug)]
struct RingWidth<const W: usize>;

impl<const W: usize> Width for RingWidth<W> {
    const WORDS: usize = STEPS * W;
}

/// The place of a window of so many words a step, and of so many plain words beside its own.
pub(super) fn geometry(words: usize, plain: usize, buffers: Option<u16>) -> Geometry {
    Geometry {
        plain: (PLAIN + plain) as u16,
        ..Geometry::slot(STEPS * words, buffers)
    }
}

/// A begin of which no time is less than a step later, not even the first second after the machine was
/// started: clocks stay below 2⁶³ nanoseconds, and so do steps.
const NEVER: u64 = 1 << 63;

impl<const W: usize> Ring<W> {
    /// The ring at a place.
    pub(super) fn new(place: &WindowPlace) -> Ring<W> {
        let step = place.nanos / COUNTED;
        // Relaxed: what publishes the instance is a Release store.
        place.plain[0].store(step, Ordering::Relaxed);
        Ring {
            slot: Slot::new(place.slot, place.buffers.into()),
            buffers: place.buffers,
            step,
            begin: Cell::new(NEVER),
            index: Cell::new(0),
        }
    }

    /// The number of the step of `now`. If it is begun anew, `renew` is called when nothing of what its
    /// room had counts any more.
    #[inline]
    pub(super) fn at(&self, now: u64, renew: impl FnOnce(usize)) -> usize {
        // Also where the clock went back: then the difference is large.
        if now.wrapping_sub(self.begin.get()) >= self.step {
            self.roll(now, renew);
        }
        self.index.get()
    }

    /// When the step of now ends.
    pub(super) fn end(&self) -> u64 {
        self.begin.get().saturating_add(self.step)
    }

    #[cold]
    fn roll(&self, now: u64, renew: impl FnOnce(usize)) {
        let number = now / self.step;
        let (stamp, index) = (number + 1, (number % STEPS as u64) as usize);
        self.begin.set(number * self.step);
        self.index.set(index);
        let room = index * W..(index + 1) * W;
        // Relaxed, here and below: this thread is the only writer.
        let first = self.published()[room.start].load(Ordering::Relaxed);
        // It is the same one for a handle that begins where another one was, or if the clock went back.
        if first != stamp {
            self.publish(|i, word| if room.contains(&i) { 0 } else { word });
            renew(index);
            self.publish(|i, word| if i == room.start { stamp } else { word });
        }
        // Into every buffer: a record then writes its own step only, since the others do not differ.
        for _ in 0..self.buffers {
            self.publish(|_, word| word);
        }
    }

    /// What was published last.
    fn published(&self) -> &[AtomicU64] {
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        self.slot.buffer(p)
    }

    /// Publishes what `change` makes of each word of all steps.
    fn publish(&self, change: impl Fn(usize, u64) -> u64) {
        let words = self.published().iter().enumerate();
        let words = words.map(|(i, word)| change(i, word.load(Ordering::Relaxed)));
        let slot = self.slot;
        slot::publish(slot.sequence(), |p| slot.buffer(p), words);
    }

    /// Publishes what `change` makes of the words of the step of now.
    #[inline]
    pub(super) fn update(&self, change: impl FnOnce(&mut [u64; W])) {
        let slot = self.slot;
        let start = self.index.get() * W;
        slot::update(
            slot.sequence(),
            // The other steps are the same in all buffers: `roll` saw to it.
            |p| &slot.buffer(p)[start..start + W],
            |before| {
                // Relaxed: this thread is the only writer.
                let mut words = std::array::from_fn(|i| before[i].load(Ordering::Relaxed));
                change(&mut words);
                words
            },
        );
    }
}

/// What a metric's window says, of one file or merged over many.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowValue {
    /// Nanoseconds of a window.
    length: u64,
    /// What it counted.
    value: Value,
    /// How many nanoseconds before now it began, if that is known: of a counter.
    reach: u64,
}

impl WindowValue {
    /// How long the window is, in seconds. What it counts is up to a twelfth of it shorter.
    pub fn seconds(&self) -> f64 {
        self.length as f64 / 1e9
    }

    /// What was recorded within it: of the metric's own kind.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Of a counter: how much it counted per second, from the begin of the window (or of its first writer,
    /// but at least for a step) until now.
    pub fn rate(&self) -> Option<f64> {
        match self.value {
            Value::Counter(count) => {
                let reach = self.reach.max(self.length / COUNTED).max(1);
                Some(count as f64 * 1e9 / reach as f64)
            }
            _ => None,
        }
    }

    /// `WindowCount`, `WindowMean`, `WindowMax`, `WindowPercentile50th`, …
    pub(crate) fn expose(&self, each: &mut dyn FnMut(&str, Value)) {
        if let (Value::Counter(count), Some(rate)) = (&self.value, self.rate()) {
            each("WindowCount", Value::Counter(*count));
            each("Rate", Value::Gauge(Number::Float(rate)));
        }
        self.value.expose(|name, value| {
            if matches!(name, "Count" | "Mean" | "Max") || name.starts_with("Percentile") {
                each(&format!("Window{name}"), value);
            }
        });
    }
}

/// The parameter of a window: the code of the metric's kind, and its digits if it is a distribution.
pub(super) fn parameter(kind: u16, digits: u32) -> u32 {
    u32::from(kind) | digits << 8
}

/// What a window's parameter says.
fn of(schema: &MetricSchema) -> (u16, u32) {
    (schema.parameter as u8 as u16, schema.parameter >> 8)
}

/// The metric of a window's steps, as if it stood in the schema: with words for one step.
pub fn step(schema: &MetricSchema) -> Option<MetricSchema> {
    let (kind, digits) = of(schema);
    let (words, plain) = match kind {
        code::COUNTER => (counter::STEP_WORDS, 0),
        code::SUMMARY => (SUMMARY_WORDS, 0),
        code::TIMER | code::PERCENTILE => integers::words_of(digits)?,
        code::FLOAT_PERCENTILE => percentile::float_words(digits)?,
        _ => return None,
    };
    Some(MetricSchema {
        kind,
        parameter: digits,
        geometry: Geometry {
            buffers: schema.geometry.buffers,
            words: words as u16,
            plain: plain as u16,
        },
        ..schema.clone()
    })
}

pub(super) static KIND: Kind = Kind {
    code: code::WINDOW,
    name: "window",
    // Also of processes that are dead: what they recorded in the last minute was in the last minute.
    counts: Counts::All,
    check,
    decode,
    merge,
    since: None,
    none: |schema| Value::Window(Box::new(nothing(schema))),
    fold: ENDS,
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    let wrong = || {
        format!(
            "a window of {} with {:?}",
            schema.parameter, schema.geometry
        )
    };
    let step = step(schema).ok_or_else(wrong)?.geometry;
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    if buffers == 0
        || usize::from(words) != STEPS * (1 + usize::from(step.words))
        || usize::from(plain) != PLAIN + STEPS * usize::from(step.plain)
    {
        return Err(wrong());
    }
    Ok(())
}

fn nothing(schema: &MetricSchema) -> WindowValue {
    let value = step(schema).and_then(|step| Some((kind::kind(step.kind)?.none)(&step)));
    WindowValue {
        length: 0,
        value: value.unwrap_or(Value::Counter(0)),
        reach: 0,
    }
}

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Value {
    let mut window = nothing(schema);
    let Some(of_step) = step(schema) else {
        return Value::Window(Box::new(window));
    };
    let (slot, plain) = raw.words.split_at(schema.geometry.words.into());
    let (length, coarse) = (plain[0], &plain[PLAIN..]);
    window.length = length.saturating_mul(COUNTED);
    let (words, octaves) = (
        usize::from(of_step.geometry.words),
        usize::from(of_step.geometry.plain),
    );
    if of_step.kind == code::COUNTER {
        let steps = slot
            .chunks_exact(1 + words)
            .map(|step| *step.first_chunk().expect("as `check` has seen"));
        let number = raw.now.zip(raw.now.and_then(|now| now.checked_div(length)));
        if let (Some((now, number)), Some(&total)) = (number, raw.of.first()) {
            let first = number.saturating_sub(COUNTED - 1);
            let (count, reach) = counter::in_window(steps, first, total, now).unwrap_or_default();
            (window.value, window.reach) = (Value::Counter(count), reach);
        }
        return Value::Window(Box::new(window));
    }
    for (index, step) in slot.chunks_exact(1 + words).enumerate() {
        let (stamp, words) = (step[0], &step[1..]);
        let now = raw.now.and_then(|now| now.checked_div(length));
        let age = now
            .zip(stamp.checked_sub(1))
            .and_then(|(now, then)| now.checked_sub(then));
        if age.is_none_or(|age| age >= COUNTED) {
            continue;
        }
        let next = match of_step.kind {
            code::SUMMARY => {
                let words = words.first_chunk().expect("as `check` has seen");
                Value::Summary(Box::new(SummaryValue::from_words(*words)))
            }
            _ => {
                let of_index = raw.parts.iter().filter_map(|(number, counts)| {
                    let number = *number as usize;
                    (number / octaves == index).then_some(((number % octaves) as u32, *counts))
                });
                let buckets: Vec<(u32, &[u64])> = of_index.collect();
                let coarse = &coarse[index * octaves..][..octaves];
                if of_step.kind == code::FLOAT_PERCENTILE {
                    percentile::float_step(&of_step, words, coarse, &buckets)
                } else {
                    let moments = words.first_chunk().expect("as `check` has seen");
                    let moments = Moments::from_words(moments);
                    integers::of_step(&of_step, moments, coarse, &buckets)
                }
            }
        };
        merge_values(&mut window.value, next);
    }
    Value::Window(Box::new(window))
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, _: u64) {
    if let (Value::Window(into), Value::Window(next)) = (into, next) {
        into.length = into.length.max(next.length);
        into.reach = into.reach.max(next.reach);
        merge_values(&mut into.value, next.value);
    }
}

/// Adds a value of the same kind; one of another kind (another version's) is left out.
fn merge_values(into: &mut Value, next: Value) {
    match (into, next) {
        (Value::Counter(into), Value::Counter(next)) => *into = into.saturating_add(next),
        (Value::Summary(into), Value::Summary(next)) => into.merge(*next),
        (Value::Timer(into), Value::Timer(next))
        | (Value::Percentile(into), Value::Percentile(next)) => into.merge(*next),
        (Value::FloatPercentile(into), Value::FloatPercentile(next)) => into.merge(*next),
        _ => {}
    }
}
