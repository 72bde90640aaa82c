//! The value of one metric in one file: what the kind needs to decode it, brought together.

use crate::metric::Value;
use crate::metric::context::Copied;
use crate::metric::kind::{Raw, code};
use crate::metric::window::SUFFIX;
use crate::reader::contents::{Instance, PartPlace};
use crate::reader::file::StatsFile;
use crate::reader::plan::Metric;
use crate::reader::text::printable;

/// Whether the value of a metric has ever been had whole.
pub(super) fn was_had(file: &StatsFile, instance: &Instance, metric: &Metric) -> bool {
    metric
        .slot
        .is_none_or(|slot| file.contents.values.had[instance.slots + slot])
}

/// Whether there is a value to decode: it was had, and the clock of a window can be compared with ours. A
/// window of which nothing is known is left out, for 0 would be a count.
pub(super) fn has_value(
    file: &StatsFile,
    instance: &Instance,
    metric: &Metric,
    seen: Seen<'_>,
) -> bool {
    let is_timeless = metric.kind.code == code::WINDOW && seen.now.is_none();
    !is_timeless && was_had(file, instance, metric)
}

/// The contexts of a file.
pub(super) fn contexts(file: &StatsFile) -> Copied<'_> {
    let contents = &file.contents;
    let places = (contents.contexts.iter())
        .map(|context| (context.number, context.values(&contents.values.words)));
    Copied::new(places.collect())
}

/// When a file was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// Whether it is a retired one.
    pub(super) retired: bool,
    /// Whether it was one that a thread writes now, as far as is known.
    pub(super) current: bool,
    /// The time by its writer's clock, if that can be told.
    pub(super) now: Option<u64>,
    /// Its contexts.
    pub(super) contexts: &'a Copied<'a>,
}

/// The value of a metric in `all` words of its file's values. `parts` are those of the instance that
/// are left, sorted by metric: those of the metrics up to this one are taken off.
pub(super) fn decode(
    all: &[u64],
    instance: &Instance,
    index: usize,
    metric: &Metric,
    parts: &mut &[PartPlace],
    seen: Seen<'_>,
) -> Value {
    let words = &all[instance.at + metric.at..][..metric.words];
    let mut of_metric: Vec<(u32, &[u64])> = Vec::new();
    if !parts.is_empty() {
        let first = parts.partition_point(|part| part.metric < index);
        let end = parts.partition_point(|part| part.metric <= index);
        let places = parts[first..end].iter();
        of_metric.extend(places.map(|part| (part.number, part.values(all))));
        *parts = &parts[end..];
    }
    let mut of: &[u64] = &[];
    if metric.kind.code == code::WINDOW
        && let Some(before) = index
            .checked_sub(1)
            .map(|index| &instance.plan.metrics[index])
        && metric.schema.label.strip_suffix(SUFFIX) == Some(&before.schema.label)
    {
        of = &all[instance.at + before.at..][..before.words];
    }
        retired: seen.retired,
    let raw = Raw {
        words,
        parts: &of_metric,
        contexts: seen.contexts,
        current: seen.current,
        now: seen.now,
        of,
    };
    (metric.kind.decode)(&metric.schema, raw)
}

/// The value with texts that may be printed.
pub(super) fn shown(mut value: Value) -> Value {
    let sanitise = |text: &mut String| {
        if let std::borrow::Cow::Owned(changed) = printable(text) {
            *text = changed;
        }
    };
    match &mut value {
        Value::Text(text) | Value::ConstantText(text) => sanitise(text),
        Value::Errors(errors) => errors.each_text(sanitise),
        _ => {}
    }
    value
}
