//! Decodes the value of one metric in one file, from everything that its kind needs.

use crate::metric::Value;
use crate::metric::context::CopiedContexts;
use crate::metric::kind::{Raw, code};
use crate::reader::contents::{ExtentPlace, ReadInstance};
use crate::reader::file::OpenFile;
use crate::reader::plan::PlannedMetric;

/// Returns whether the value of a metric has ever been read whole.
pub(super) fn was_read(file: &OpenFile, instance: &ReadInstance, metric: &PlannedMetric) -> bool {
    metric
        .slot
        .is_none_or(|slot| file.contents.values.had[instance.slots + slot])
}

/// Returns whether there is a value to decode: it was read, and for a window its clock can be compared with
/// ours. A window about which nothing is known is left out, because 0 would be a count.
pub(super) fn has_value(
    file: &OpenFile,
    instance: &ReadInstance,
    metric: &PlannedMetric,
    seen: FileStatus<'_>,
) -> bool {
    let is_timeless = metric.kind.code == code::WINDOW && seen.now.is_none();
    !is_timeless && was_read(file, instance, metric)
}

/// Returns the contexts of a file.
pub(super) fn contexts(file: &OpenFile) -> CopiedContexts<'_> {
    let contents = &file.contents;
    let places = (contents.contexts.iter())
        .map(|context| (context.number, context.values(&contents.values.words)));
    let again = &contents.values.again;
    let replaced = again.places.iter();
    CopiedContexts::new(places.collect())
        .with(replaced.map(|(&reference, range)| (reference, &again.words[range.clone()])))
}

/// The conditions under which a file was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileStatus<'a> {
    /// Whether, as far as is known, a thread writes it now.
    pub(super) current: bool,
    /// Whether it is a retired file.
    pub(super) retired: bool,
    /// The time by its writer's clock, if known.
    pub(super) now: Option<u64>,
    /// Its contexts.
    pub(super) contexts: &'a CopiedContexts<'a>,
}

/// Decodes the value of a metric from `all` words of its file's values. `extents` are the remaining extents
/// of the instance, sorted by metric; those of the metrics up to this one are removed from it.
pub(super) fn decode(
    all: &[u64],
    instance: &ReadInstance,
    index: usize,
    metric: &PlannedMetric,
    extents: &mut &[ExtentPlace],
    seen: FileStatus<'_>,
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
        // In a plan a window always follows its metric.
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
