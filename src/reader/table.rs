//! The merge table of one model: it merges many files into one value per label.
//!
//! Files with the same schema and identity (prefix, group, labels) have the same *shape*: their values merge
//! position by position. A label is hashed once, when its shape is first seen. From then on each position
//! knows its *cell*, in which the values of the label are merged. Different shapes with a label text in
//! common (versions of a program, during a rolling upgrade) share its cell. So the cost of a value is a
//! decode and an addition, whatever the number of files.
//!
//! A window has a cell of its own, which is found by the cell of its metric and not by a text.
//!
//! The parts of single processes or files are merged in the same table, one after another. The cost of a part
//! depends on its own size, not on that of the table.

mod add;
mod cell;
mod deltas;
mod retired;
mod value;

use std::collections::HashMap;
use std::sync::Arc;

use self::cell::{Cell, HotCell, other_identity};
use self::retired::RetiredDeltas;
use self::value::FileStatus;
use super::contents::ReadInstance;
use super::file::OpenFile;
use super::identity::Identity;
use super::plan::Plan;
use super::snapshot::{Origin, Problem, Series};
use crate::format::description::Description;
use crate::metric::Value;
use crate::metric::context::CopiedContexts;
use crate::metric::kind::code;
use crate::sys::process::clock::coarse_nanos;
use crate::sys::process::identity::shares_clock;

/// Merges the labels of one model over its files.
#[derive(Debug)]
pub struct MergeTable {
    /// Distinguishes it from every other table of the reader.
    id: u64,
    shapes: Vec<SchemaCells>,
    /// By address of the plan (which the shape keeps alive) and identity.
    index: HashMap<(usize, Arc<Identity>), u32>,
    cells: Vec<Cell>,
    /// The part of each cell that every value touches, close together.
    heads: Vec<HotCell>,
    /// The cells of metrics by label text.
    labels: HashMap<Arc<str>, u32>,
    /// The cells of windows, by the cells of their metrics.
    windows: HashMap<u32, u32>,
    /// The cells sorted by label, each window after its metric; shorter than `cells` if some are new.
    sorted: Vec<u32>,
    /// The shapes of this merge.
    used_shapes: Vec<u32>,
    /// The cells of this merge, in the order of `sorted`.
    used: Vec<u32>,
    /// How many labels of this merge were reported for having two kinds or identities.
    named: usize,
    /// The time of this snapshot by the monotonic clock, taken after its values were copied.
    now: u64,
    retired: RetiredDeltas,
    /// Descriptions of metrics outside their schemas, by kind and label.
    descriptions: HashMap<(u16, String), Arc<Description>>,
}

/// A shape: a schema with an identity, and its cells.
#[derive(Debug)]
struct SchemaCells {
    plan: Arc<Plan>,
    identity: Arc<Identity>,
    /// The cell of each metric.
    cells: Box<[u32]>,
    /// The cell of each counter, and where its word is among those of the instance.
    counters: Box<[(u32, u32)]>,
    /// The rank (from 1) of the last file of this merge that has the shape; 0 if none has.
    latest: usize,
    /// The time from which the earliest of these files counts.
    since: u64,
    /// Whether only retired files have it.
    is_retired: bool,
    /// Whether one of its labels has another kind in a file created later.
    mixed: bool,
    /// For an instance that can be removed: its incarnation in the file that was added last.
    #[cfg(feature = "push")]
    incarnation: Option<(u64, u64)>,
}

impl MergeTable {
    /// Returns an empty table. `id` must not be 0, and no other table of the reader may have had it.
    pub fn new(id: u64) -> MergeTable {
        MergeTable {
            id,
            shapes: Vec::new(),
            index: HashMap::new(),
            cells: Vec::new(),
            heads: Vec::new(),
            labels: HashMap::new(),
            windows: HashMap::new(),
            sorted: Vec::new(),
            used_shapes: Vec::new(),
            used: Vec::new(),
            named: 0,
            now: 0,
            retired: RetiredDeltas::default(),
            descriptions: HashMap::new(),
        }
    }

    /// Adds the new instances in files of a snapshot, before they are merged in parts.
    pub fn enter(&mut self, files: &mut [&mut OpenFile], of_model: &[usize]) {
        for &index in of_model {
            let file = &mut *files[index];
            file.enter(self.id);
            let instances = file.contents.instances.iter_mut();
            for instance in instances.filter(|instance| instance.is_there()) {
                instance
                    .shape
                    .get_or_insert_with(|| self.shape(&instance.plan, &instance.identity));
            }
        }
        self.sort();
    }

    /// Prepares for a merge of the files with the indices `of_model`, which are in the order of their
    /// creation.
    pub fn begin(
        &mut self,
        files: &mut [&mut OpenFile],
        of_model: &[usize],
        problems: &mut Vec<Problem>,
    ) {
        for cell in self.used.drain(..) {
            self.cells[cell as usize].reset();
            self.heads[cell as usize] = HotCell::default();
        }
        for shape in self.used_shapes.drain(..) {
            let shape = &mut self.shapes[shape as usize];
            (shape.latest, shape.mixed) = (0, false);
        }
        self.named = 0;
        self.now = coarse_nanos();
        self.descriptions.clear();
        for (rank, &index) in (1..).zip(of_model) {
            let file = &mut *files[index];
            file.enter(self.id);
            for description in &file.contents.descriptions {
                self.describe(description);
            }
            let (since, is_retired) = (file.since(), file.contents.retired.is_some());
            let instances = file.contents.instances.iter_mut();
            for instance in instances.filter(|instance| instance.is_there()) {
                let number = *instance
                    .shape
                    .get_or_insert_with(|| self.shape(&instance.plan, &instance.identity));
                let shape = &mut self.shapes[number as usize];
                if shape.latest == 0 {
                    self.used_shapes.push(number);
                    (shape.since, shape.is_retired) = (since, is_retired);
                }
                shape.latest = rank;
                shape.since = shape.since.min(since);
                shape.is_retired &= is_retired;
            }
        }
        self.sort();
        self.heads.resize(self.cells.len(), HotCell::default());
        for &shape in &self.used_shapes {
            for &cell in &self.shapes[shape as usize].cells {
                if !std::mem::replace(&mut self.cells[cell as usize].used, true) {
                    self.used.push(cell);
                }
            }
        }
        if self.used.len() == self.sorted.len() {
            self.used.clone_from(&self.sorted);
        } else {
            (self.used).sort_unstable_by_key(|&cell| self.cells[cell as usize].place);
        }
        let at = |rank: usize| &*files[of_model[rank - 1]];
        self.choose(at, problems);
    }

    /// Adds the description of a metric. The latest one counts.
    fn describe(&mut self, description: &Arc<Description>) {
        let key = (description.kind, description.label.clone());
        let known = self
            .descriptions
            .entry(key)
            .or_insert_with(|| Arc::clone(description));
        if known.time < description.time {
            *known = Arc::clone(description);
        }
    }

    /// Sorts new cells among the others.
    fn sort(&mut self) {
        if self.sorted.len() == self.cells.len() {
            return;
        }
        let cells = &mut self.cells;
        self.sorted = (0..cells.len() as u32).collect();
        let metric = |cell: &Cell| match cell.window_of {
            Some(of) => (Arc::clone(&cells[of as usize].label), true),
            None => (Arc::clone(&cell.label), false),
        };
        (self.sorted).sort_by_cached_key(|&cell| metric(&cells[cell as usize]));
        for (place, &cell) in (0..).zip(&self.sorted) {
            cells[cell as usize].place = place;
        }
    }

    /// Returns the number of a shape, and makes the shape if it is new.
    #[cold]
    #[inline(never)]
    fn shape(&mut self, plan: &Arc<Plan>, identity: &Arc<Identity>) -> u32 {
        let key = (Arc::as_ptr(plan) as usize, Arc::clone(identity));
        if let Some(&shape) = self.index.get(&key) {
            return shape;
        }
        let mut cells: Vec<u32> = Vec::with_capacity(plan.metrics.len());
        for metric in &plan.metrics {
            let label: Arc<str> = identity.label(&metric.schema.label).into();
            let next = self.cells.len() as u32;
            // In a plan a window always follows its metric.
            let window_of = (metric.kind.code == code::WINDOW).then(|| cells.last().copied());
            let cell = match window_of.flatten() {
                Some(of) => *self.windows.entry(of).or_insert(next),
                None => *(self.labels.entry(Arc::clone(&label))).or_insert(next),
            };
            if cell == next {
                self.cells.push(Cell::new(label, window_of.flatten()));
            }
            cells.push(cell);
        }
        let counters = plan.counters.iter();
        let counters = counters.map(|&(metric, at)| (cells[metric as usize], at));
        let number = self.shapes.len() as u32;
        self.shapes.push(SchemaCells {
            plan: Arc::clone(plan),
            identity: Arc::clone(identity),
            counters: counters.collect(),
            cells: cells.into(),
            latest: 0,
            since: u64::MAX,
            is_retired: false,
            mixed: false,
            #[cfg(feature = "push")]
            incarnation: None,
        });
        self.index.insert(key, number);
        number
    }

    /// Chooses the kind, unit, help, group and labels of each label: those of the file created last. `at`
    /// returns the file of a rank.
    fn choose<'a>(&mut self, at: impl Fn(usize) -> &'a OpenFile, problems: &mut Vec<Problem>) {
        let (shapes, cells) = (&mut self.shapes, &mut self.cells);
        let mut order = self.used_shapes.clone();
        // Within one file the first instance with a label counts.
        order.sort_unstable_by_key(|&shape| {
            (shapes[shape as usize].latest, std::cmp::Reverse(shape))
        });
        for &number in &order {
            let shape = &shapes[number as usize];
            let metrics = shape.plan.metrics.iter().zip(&shape.cells).enumerate();
            for (index, (metric, &cell)) in metrics.rev() {
                let cell = &mut cells[cell as usize];
                let before = cell
                    .kind
                    .map(|kind| (kind.code, &shapes[cell.of.0 as usize]));
                match before.filter(|(_, before)| !before.identity.is_like(&shape.identity)) {
                    // Totals that were folded by a version that did not keep groups and labels.
                    Some((kind, _)) if shape.is_flattened() && kind == metric.kind.code => {
                        continue;
                    }
                    Some((_, before))
                        if !before.is_flattened()
                            && before.latest != shape.latest
                            && cell.window_of.is_none() =>
                    {
                        let identities = (&*before.identity, &*shape.identity);
                        let file = at(before.latest);
                        other_identity(cell, identities, file, &mut self.named, problems);
                    }
                    Some(_) | None => {}
                }
                (cell.of, cell.kind) = ((number, index as u32), Some(metric.kind));
            }
        }
        for &number in &order {
            let shape = &mut shapes[number as usize];
            let mut mixed = false;
            for (metric, &cell) in shape.plan.metrics.iter().zip(&shape.cells) {
                let cell = &mut cells[cell as usize];
                if cell.kind.map(|kind| kind.code) == Some(metric.kind.code) {
                    cell.since = cell.since.min(shape.since);
                } else {
                    mixed = true;
                }
            }
            shape.mixed = mixed;
        }
    }

    fn status<'a>(
        &self,
        file: &OpenFile,
        current: bool,
        contexts: &'a CopiedContexts<'a>,
    ) -> FileStatus<'a> {
        let now = shares_clock(&file.header).then_some(self.now);
        FileStatus {
            current,
            retired: file.contents.retired.is_some(),
            now,
            contexts,
        }
    }

    /// Returns the labels of a file that were written too fast to be read in the last pass.
    pub fn busy<'a>(&'a self, file: &'a OpenFile) -> impl Iterator<Item = &'a Arc<str>> {
        (file.contents.values.busy.iter())
            .map(|&(instance, metric)| self.label(&file.contents.instances[instance], metric))
    }

    fn label(&self, instance: &ReadInstance, metric: usize) -> &Arc<str> {
        let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
        &self.cells[shape.cells[metric] as usize].label
    }

    /// Returns the merged values, by label.
    pub fn finish(&mut self) -> Vec<Series> {
        let mut all: Vec<Series> = Vec::with_capacity(self.used.len());
        // The cell of the last series in `all`.
        let mut last = None;
        for &number in &self.used {
            let cell = &mut self.cells[number as usize];
            if cell.kind.is_some_and(|kind| kind.code == code::COUNTER) {
                // The label is a counter in a file of this merge, which was added.
                let sum = self.heads[number as usize].sum;
                (cell.seen, cell.value) = (true, Some(Value::Counter(sum)));
            }
            if !cell.seen {
                continue;
            }
            let value = cell.value.take();
            if let Some(of) = cell.window_of {
                if let (true, Some(Value::Window(window)), Some(series)) =
                    (last == Some(of), value, all.last_mut())
                    && series.value().kind() == window.value().kind()
                {
                    series.set_window(window);
                }
                continue;
            }
            last = Some(number);
            let (shape, metric) = cell.of;
            let plan = &self.shapes[shape as usize].plan;
            let schema = &plan.metrics[metric as usize];
            let value = value.unwrap_or_else(|| (schema.kind.none)(&schema.schema));
            let since = cell.merged_since.unwrap_or(cell.since);
            all.push(self.series(number, value, since));
        }
        all
    }

    /// Returns the series of a cell.
    fn series(&self, cell: u32, value: Value, since: u64) -> Series {
        let cell = &self.cells[cell as usize];
        let (shape, metric) = cell.of;
        let plan = &self.shapes[shape as usize].plan;
        let described = (!self.descriptions.is_empty()).then(|| {
            let schema = &plan.metrics[metric as usize].schema;
            let key = (schema.kind, schema.label.to_string());
            self.descriptions.get(&key).cloned()
        });
        let origin = Origin {
            plan: Arc::clone(plan),
            described: described.flatten(),
            metric,
            identity: Arc::clone(&self.shapes[shape as usize].identity),
            since,
            #[cfg(feature = "push")]
            incarnation: self.shapes[shape as usize].incarnation,
        };
        Series::new(Arc::clone(&cell.label), value, origin)
    }

    /// Returns whether so many shapes are unused that a new table is cheaper.
    pub fn is_stale(&self) -> bool {
        self.shapes.len() > 2 * self.used_shapes.len() + 64
    }
}

impl SchemaCells {
    /// Returns whether its identity may have been lost when it was folded by a version that kept none.
    fn is_flattened(&self) -> bool {
        self.is_retired && self.identity.group.is_empty() && self.identity.labels.is_empty()
    }
}
