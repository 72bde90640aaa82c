//! Plans: which words of a block are a schema's values, and where they are copied to.
//!
//! The values of a file are kept without the words that only the slot protocol needs. For each metric these
//! are the words of the slot's published buffer, then the plain words. A plan is made once per schema. Files
//! with the same schema share it, so that their values merge position by position.

use std::collections::HashMap;
use std::sync::Arc;

use super::text::printable;
use crate::format::bytes::{Bytes, Malformed};
use crate::format::extent::Shape;
use crate::format::float_histogram::{self, FloatLayout};
use crate::format::histogram::Layout;
use crate::format::record::HEAD;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{MetricSchema, Schema};
use crate::metric::kind::{Kind, Since, code};
use crate::metric::registry;
use crate::metric::summary::value::SummaryValue;
use crate::metric::value::Value;
use crate::metric::window;

/// A schema, ready for reading: decoded, checked, and its words laid out.
#[derive(Debug)]
pub struct Plan {
    /// The schema record.
    pub record: Arc<[u8]>,
    /// Whether the plan covers all of the schema's metrics.
    pub complete: bool,
    /// The model that it describes.
    pub model: Box<str>,
    /// The help text of the model, or empty.
    pub help: Arc<str>,
    /// The path of its type, or empty. Printable.
    pub type_path: Arc<str>,
    /// The prefix that exporters use for names, if it is not the model's name.
    pub export: Option<Arc<str>>,
    /// Bytes of a block.
    pub block: u32,
    /// The metrics that can be read, in the order of the schema.
    pub metrics: Vec<PlannedMetric>,
    /// Slots, in the order of the metrics.
    pub slots: Vec<PlannedSlot>,
    /// Plain words, with neighbours joined to one run.
    pub runs: Vec<Run>,
    /// Number of each counter, and where its word lies in the values. They are kept apart because most
    /// metrics are counters.
    pub counters: Vec<(u32, u32)>,
    /// Numbers of all other metrics.
    pub others: Vec<usize>,
    /// Offset and number of each metric that may have octaves or extents, sorted.
    owners: Vec<(u32, usize)>,
    /// Words of the values of one instance.
    pub words: usize,
    /// Bytes of all labels together.
    pub label_bytes: usize,
    /// Bytes that the values of one instance take beside their words once they are decoded, at most.
    pub decoded: usize,
    /// The problems with metrics that are left out.
    pub problems: Vec<String>,
}

/// One metric of a plan: its schema, and where its words lie.
#[derive(Debug)]
pub struct PlannedMetric {
    /// Its schema.
    pub schema: MetricSchema,
    /// Its kind.
    pub kind: &'static Kind,
    /// Where its words begin in the values.
    pub at: usize,
    /// Number of these words.
    pub words: usize,
    /// The number of its slot, if it has one.
    pub slot: Option<usize>,
    /// The octaves that it may have, if it is a distribution or a window of one.
    pub octaves: Option<OctaveLimits>,
}

impl PlannedMetric {
    /// Returns the function that computes what was counted in an interval; `None` if the values may fall. In
    /// a compound only counters never fall.
    pub fn since(&self) -> Option<Since> {
        let fields = &self.schema.fields;
        let counts = fields.is_empty() || fields.iter().any(|field| field.counter);
        self.kind.since.filter(|_| counts)
    }

    /// Returns its value for an interval in which nothing was counted.
    pub fn nothing(&self) -> Value {
        let mut nothing = (self.kind.none)(&self.schema);
        if let Some(since) = self.since() {
            since(&mut nothing, &(self.kind.none)(&self.schema));
        }
        nothing
    }
}

/// Limits for the octaves of a distribution.
#[derive(Clone, Copy, Debug)]
pub struct OctaveLimits {
    /// Number of counts in each octave.
    pub counts: usize,
    /// The numbers of the octaves are below this.
    pub most: usize,
}

impl OctaveLimits {
    /// Returns the limits for a distribution or a window of one; `None` for other metrics.
    pub fn of(metric: &MetricSchema) -> Option<OctaveLimits> {
        match metric.kind {
            code::TIMER | code::PERCENTILE | code::FLOAT_PERCENTILE => octaves_of(metric, 1),
            code::WINDOW => octaves_of(&window::kind::step(metric)?, window::STEPS),
            _ => None,
        }
    }
}

/// Returns the limits for `many` distributions of this kind.
fn octaves_of(metric: &MetricSchema, many: usize) -> Option<OctaveLimits> {
    let (counts, most) = match metric.kind {
        code::TIMER | code::PERCENTILE => {
            let layout = Layout::new(metric.parameter)?;
            (layout.buckets(), layout.octaves())
        }
        code::FLOAT_PERCENTILE => {
            let layout = FloatLayout::new(metric.parameter)?;
            (layout.buckets(), float_histogram::OCTAVES)
        }
        _ => return None,
    };
    Some(OctaveLimits {
        counts,
        most: many * most,
    })
}

/// A slot of a plan, in words.
#[derive(Clone, Copy, Debug)]
pub struct PlannedSlot {
    /// The sequence word, from the start of the block.
    pub from: usize,
    /// Where the words of the published buffer are copied to, from the start of the instance's values.
    pub to: usize,
    /// Words of a buffer.
    pub words: usize,
    /// Buffers.
    pub buffers: usize,
    /// The number of its metric.
    pub metric: usize,
}

impl PlannedSlot {
    /// Returns the first word of the buffer of publication `p`, from the start of the block.
    pub fn buffer(&self, p: u64) -> usize {
        // The number of buffers is a power of two, at most 64.
        self.from + 1 + (p as usize & (self.buffers - 1)) * self.words
    }
}

/// Plain words, which are copied without the slot protocol.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// First word, from the start of the block.
    pub from: usize,
    /// Where they are copied to, from the start of the instance's values.
    pub to: usize,
    /// Number of words.
    pub words: usize,
}

/// At most this many problems of one schema are reported one by one.
const PROBLEMS_MOST: usize = 8;

impl Plan {
    /// Lays out a schema. A metric of an unknown kind is left out silently, even if its entry is invalid: it
    /// is a newer writer's, and a rolling upgrade should not cause complaints. A metric of a known kind is
    /// left out and reported if its entry is invalid or fails the check of its kind. All others are read.
    fn new(record: Arc<[u8]>, schema: Schema, mut wrong: Vec<(u16, Malformed)>) -> Plan {
        let all = schema.metrics.len();
        let complete = wrong.is_empty();
        wrong.retain(|(code, _)| registry::kind(*code).is_some());
        let mut plan = Plan {
            record,
            complete,
            model: schema.model.into(),
            help: schema.help.into(),
            type_path: printable(&schema.type_path).into(),
            export: schema.export.map(Arc::from),
            block: schema.block,
            metrics: Vec::with_capacity(schema.metrics.len()),
            slots: Vec::new(),
            runs: Vec::new(),
            counters: Vec::new(),
            others: Vec::new(),
            owners: Vec::new(),
            words: 0,
            label_bytes: 0,
            decoded: 0,
            problems: Vec::new(),
        };
        for (_, problem) in wrong.iter().take(PROBLEMS_MOST) {
            plan.problems
                .push(printable(&problem.to_string()).into_owned());
        }
        // A hostile schema may put all of its metrics into the same place, so that a small file would have
        // many values. No writer does that. So no more words are read than the block has.
        let mut room = schema.block as usize / 8;
        let mut left_out = wrong.len();
        // The previous entry, if it was taken: the only one that a window can belong to.
        let mut before = None;
        for metric in schema.metrics {
            let taken = before.take();
            let Some(kind) = registry::kind(metric.kind) else {
                continue;
            };
            let total = metric.geometry.total_words();
            let checked = if total > room {
                Err("overlaps other metrics".to_owned())
            } else {
                (kind.check)(&metric).and_then(|()| check_window(&metric, taken, &plan))
            };
            if let Err(problem) = checked {
                left_out += 1;
                if left_out <= PROBLEMS_MOST {
                    let problem = format!("{}: {problem}", metric.label);
                    plan.problems.push(printable(&problem).into_owned());
                }
                continue;
            }
            room -= total;
            before = Some(plan.metrics.len());
            plan.push(metric, kind);
        }
        plan.complete &= plan.metrics.len() == all;
        plan.owners.sort_unstable();
        if left_out > PROBLEMS_MOST {
            plan.problems
                .push(format!("{} metrics more", left_out - PROBLEMS_MOST));
        }
        plan
    }

    fn push(&mut self, metric: MetricSchema, kind: &'static Kind) {
        let geometry = metric.geometry;
        let (from, to) = (metric.offset as usize / 8, self.words);
        let slot = (geometry.buffers > 0).then(|| {
            self.slots.push(PlannedSlot {
                from,
                to,
                words: geometry.words.into(),
                buffers: geometry.buffers.into(),
                metric: self.metrics.len(),
            });
            self.slots.len() - 1
        });
        let plain = usize::from(geometry.plain);
        if plain > 0 {
            self.run(Run {
                from: from + geometry.slot_words(),
                to: to + geometry.value_words() - plain,
                words: plain,
            });
        }
        let octaves = OctaveLimits::of(&metric);
        if octaves.is_some() || kind.extents.is_some() {
            self.owners.push((metric.offset, self.metrics.len()));
        }
        match metric.kind {
            // (Both fit into 32 bits, because the length of a block does.)
            code::COUNTER => self.counters.push((self.metrics.len() as u32, to as u32)),
            _ => self.others.push(self.metrics.len()),
        }
        self.words += geometry.value_words();
        self.label_bytes += metric.label.len();
        self.decoded += decoded(&metric);
        self.metrics.push(PlannedMetric {
            kind,
            at: to,
            words: geometry.value_words(),
            slot,
            octaves,
            schema: metric,
        });
    }

    /// Adds plain words, joined to the last run if they continue it.
    fn run(&mut self, next: Run) {
        match self.runs.last_mut() {
            Some(last)
                if last.from + last.words == next.from && last.to + last.words == next.to =>
            {
                last.words += next.words;
            }
            _ => self.runs.push(next),
        }
    }

    /// Returns the distribution whose place begins at byte `offset` of a block.
    pub fn distribution_at(&self, offset: u32) -> Option<(usize, OctaveLimits)> {
        let index = self.at(offset)?;
        Some((index, self.metrics[index].octaves?))
    }

    /// Returns the metric whose place begins at byte `offset` of a block, if it may have extents of this
    /// shape.
    pub fn owner_at(&self, offset: u32, shape: Shape) -> Option<usize> {
        let index = self.at(offset)?;
        let extents = self.metrics[index].kind.extents?;
        (extents.is_extent)(shape).then_some(index)
    }

    fn at(&self, offset: u32) -> Option<usize> {
        let found = self
            .owners
            .binary_search_by_key(&offset, |(offset, _)| *offset);
        Some(self.owners[found.ok()?].1)
    }
}

/// Bytes of half of what a distribution exposes (its 14 names and values), and of half of what a summary
/// exposes. Half, because it is charged both for the merged value and for the file's own, and hardly anyone
/// asks for both.
const EXPOSED: usize = 500;

/// Checks that a window follows the metric that it belongs to, which is number `before` of the plan. Other
/// metrics pass.
fn check_window(metric: &MetricSchema, before: Option<usize>, plan: &Plan) -> Result<(), String> {
    if metric.kind != code::WINDOW {
        return Ok(());
    }
    let of = before.map(|before| &plan.metrics[before].schema);
    let belongs = of.is_some_and(|of| {
        metric.label.strip_suffix(window::SUFFIX) == Some(&of.label)
            && window::kind::step(metric).is_some_and(|step| step.kind == of.kind)
    });
    if belongs {
        Ok(())
    } else {
        Err("a window that does not follow the metric it belongs to".to_owned())
    }
}

/// Returns how many bytes a value takes at most, beside its words, once it is decoded: the words of a struct
/// or half of its numbers (they become numbers only where two files or instances are merged), a text in which
/// no byte is UTF-8, coarse counts, and what a distribution exposes. (What a compound exposes is computed
/// only on request, field by field.)
fn decoded(metric: &MetricSchema) -> usize {
    match metric.kind {
        code::COMPOUND => metric
            .fields
            .iter()
            .map(|field| size_of::<Number>() / 4 * usize::from(field.count.unwrap_or(1)))
            .sum::<usize>()
            .max(8 * usize::from(metric.geometry.words)),
        code::TEXT | code::CONSTANT if metric.scalar == Some(Scalar::Text) => {
            // U+FFFD takes three bytes for each one, in a string that doubles as it grows.
            2 * 3 * 8 * metric.geometry.value_words()
        }
        // An entry of a tree for each word; the nodes of the tree may be half full.
        code::TIMER | code::PERCENTILE | code::FLOAT_PERCENTILE | code::WINDOW => {
            24 * metric.geometry.value_words() + 2 * EXPOSED
        }
        code::SUMMARY => size_of::<SummaryValue>() + EXPOSED,
        _ => 0,
    }
}

/// The plans in use, by the bytes of their schema records. They are not looked up by a hash that a file
/// states, which would let one file pass off its schema as another's.
#[derive(Debug, Default)]
pub struct Plans(HashMap<Arc<[u8]>, Arc<Plan>>);

impl Plans {
    /// Returns the plan for the schema record `record`, which lies at offset `at` of its file.
    pub fn get(&mut self, record: &[u8], at: u64) -> Result<Arc<Plan>, Malformed> {
        if let Some(plan) = self.0.get(record) {
            return Ok(Arc::clone(plan));
        }
        let (schema, wrong) = Schema::decode(Bytes::new(&record[HEAD..], at + HEAD as u64))?;
        let record: Arc<[u8]> = record.into();
        let plan = Arc::new(Plan::new(Arc::clone(&record), schema, wrong));
        self.0.insert(record, Arc::clone(&plan));
        Ok(plan)
    }

    /// Drops the plans that no file uses any more.
    pub fn forget_unused(&mut self) {
        self.0.retain(|_, plan| Arc::strong_count(plan) > 1);
    }

    /// Returns how many plans there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
