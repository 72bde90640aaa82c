//! The reader's side of a window: its kind.

use super::{COUNTED, PLAIN, STEPS};
use crate::format::float_histogram;
use crate::format::scalar::Number;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::kind::{Counts, ENDS, Kind, Raw, code};
use crate::metric::percentile::moments::Moments;
use crate::metric::percentile::{floats, integers};
use crate::metric::sample::{Reading, Sample, Sink};
use crate::metric::summary::value::{SummaryValue, WORDS as SUMMARY_WORDS};
use crate::metric::value::{Value, WindowValue};
use crate::metric::{counter, summary, timer};

/// Returns the code of the kind and the digits from a window's parameter.
fn of(schema: &MetricSchema) -> (u16, u32) {
    (schema.parameter as u8 as u16, schema.parameter >> 8)
}

/// The kinds that may have a window.
static KINDS: [&Kind; 5] = [
    &counter::KIND,
    &summary::KIND,
    &timer::KIND,
    &integers::KIND,
    &floats::KIND,
];

/// Returns the kind with this code, if it may have a window.
fn kind_of(code: u16) -> Option<&'static Kind> {
    KINDS.into_iter().find(|kind| kind.code == code)
}

/// Returns the metric of a window's steps as if it were in the schema, with words for one step.
pub fn step(schema: &MetricSchema) -> Option<MetricSchema> {
    let (kind, digits) = of(schema);
    let (words, plain) = match kind {
        code::COUNTER => (counter::STEP_WORDS, 0),
        code::SUMMARY => (SUMMARY_WORDS, 0),
        code::TIMER | code::PERCENTILE => integers::words_of(digits)?,
        code::FLOAT_PERCENTILE => floats::words_of(digits)?,
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

pub(in crate::metric) static KIND: Kind = Kind {
    code: code::WINDOW,
    name: "window",
    count: |_| None,
    // Windows of dead processes count, too: what they recorded in the last minute was in the last minute.
    counts: Counts::All,
    check,
    decode,
    merge,
    since: None,
    none: |schema| Value::Window(Box::new(nothing(schema))),
    fold: ENDS,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Window(window) = value {
            samples(window, unit, each);
        }
    },
};

pub(super) fn check(schema: &MetricSchema) -> Result<(), String> {
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
    let value = step(schema).and_then(|step| Some((kind_of(step.kind)?.none)(&step)));
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
    let (words, ranges) = (
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
                let is_float = of_step.kind == code::FLOAT_PERCENTILE;
                // Integers have a coarse count for each octave, floats one for each range of octaves.
                let octaves = if is_float {
                    float_histogram::OCTAVES
                } else {
                    ranges
                };
                let of_index = raw.extents.iter().filter_map(|(number, counts)| {
                    let number = *number as usize;
                    (number / octaves == index).then_some(((number % octaves) as u32, *counts))
                });
                let buckets: Vec<(u32, &[u64])> = of_index.collect();
                let coarse = &coarse[index * ranges..][..ranges];
                if is_float {
                    floats::of_step(&of_step, words, coarse, &buckets)
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

/// Adds a value of the same kind. One of another kind (another version's) is left out.
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

/// Passes `WindowCount`, `WindowMean`, `WindowMax`, `WindowPercentile50th`, … to `each`: they are for people.
pub(in crate::metric) fn samples(window: &WindowValue, unit: &str, each: &mut Sink<'_>) {
    if let (Value::Counter(count), Some(rate)) = (&window.value, window.rate()) {
        let count = Reading::Cumulative(Number::Int((*count).into()));
        each(Sample::derived("WindowCount", "", count));
        let rate = Reading::Level(Number::Float(rate));
        each(Sample::derived("Rate", "", rate));
    }
    // A kind has no samples for another kind's value.
    for kind in KINDS {
        (kind.samples)(&window.value, unit, &mut |sample| {
            if matches!(sample.part, "Count" | "Mean" | "Max")
                || sample.part.starts_with("Percentile")
            {
                let part = format!("Window{}", sample.part);
                each(Sample::derived(&part, sample.unit, sample.reading));
            }
        });
    }
}
