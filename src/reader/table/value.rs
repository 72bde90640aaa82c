//! The value of one metric in one file: what the kind needs to decode it, brought together.

use crate::metric::Value;
use crate::metric::context::Copied;
use crate::metric::kind::{Raw, code};
use crate::reader::contents::{ExtentPlace, ReadInstance};
use crate::reader::file::OpenFile;
use crate::reader::plan::PlannedMetric;

/// Whether the value of a metric has ever been had whole.
pub(super) fn was_read(file: &OpenFile, instance: &ReadInstance, metric: &PlannedMetric) -> bool {
    metric
        .slot
        .is_none_or(|slot| file.contents.values.had[instance.slots + slot])
}

/// Whether there is a value to decode: it was read, and the clock of a window can be compared with ours. A
/// window of which nothing is known is left out, for 0 would be a count.
pub(super) fn has_value(
    file: &OpenFile,
    instance: &ReadInstance,
    metric: &PlannedMetric,
    seen: Seen<'_>,
) -> bool {
    let is_timeless = metric.kind.code == code::WINDOW && seen.now.is_none();
    !is_timeless && was_read(file, instance, metric)
}

/// The contexts of a file.
pub(super) fn contexts(file: &OpenFile) -> Copied<'_> {
    let contents = &file.contents;
    let places = (contents.contexts.iter())
        .map(|context| (context.number, context.values(&contents.values.words)));
    let again = &contents.values.again;
    let replaced = again.places.iter();
    Copied::new(places.collect())
        .with(replaced.map(|(&reference, range)| (reference, &again.words[range.clone()])))
}

/// When a file was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// Whether it was one that a thread writes now, as far as is known.
    pub(super) current: bool,
    /// Whether it is a retired one.
    pub(super) retired: bool,
    /// The time by its writer's clock, if that can be told.
    pub(super) now: Option<u64>,
    /// Its contexts.
    pub(super) contexts: &'a Copied<'a>,
}

/// The value of a metric in `all` words of its file's values. `extents` are those of the instance that
/// are left, sorted by metric: those of the metrics up to this one are taken off.
pub(super) fn decode(
    all: &[u64],
    instance: &ReadInstance,
    index: usize,
    metric: &PlannedMetric,
    extents: &mut &[ExtentPlace],
    seen: Seen<'_>,
) -> Value {
    let words = &all[instance.at + metric.at..][..metric.words];
    let mut of_metric: Vec<(u32, &[u64])> = Vec::new();
    if !extents.is_empty() {
        let first = extents.partition_point(|extent| extent.metric < index);
        let end = extents.partition_point(|extent| extent.metric <= index);
        let places = extents[first..end].iter();
        of_metric.extend(places.map(|extent| (extent.number, extent.values(all))));
        *extents = &extents[end..];
    }
    let mut of: &[u64] = &[];
    if metric.kind.code == code::WINDOW {
        // The plan has windows only right after their metrics.
        let before = &instance.plan.metrics[index - 1];
        of = &all[instance.at + before.at..][..before.words];
    }
    let raw = Raw {
        words,
        extents: &of_metric,
        contexts: seen.contexts,
        current: seen.current,
        retired: seen.retired,
        now: seen.now,
        of,
    };
    (metric.kind.decode)(&metric.schema, raw)
}
