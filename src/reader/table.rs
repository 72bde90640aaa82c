//! The merge table of one model: many files into one value per label.
//!
//! Files with the same schema and label prefix have the same *shape*: their values merge position by
//! position. A label is hashed once, when its shape is first seen: then each position knows its
//! *cell*, the place where the label's value comes together. Different shapes that have a label in
//! common (other versions of a program, during a rolling upgrade) meet in one cell. So the cost of a
//! value is a decode and an addition, whatever the number of files.

mod risen;
mod value;

use std::collections::HashMap;
use std::sync::Arc;

use self::risen::Risen;
use self::value::{Seen, contexts, decode, has_value};
use super::contents::Instance;
use super::file::StatsFile;
use super::plan::{Metric, Plan};
use super::snapshot::{Problem, Stat, with_windows};
use super::state::State;
use crate::format::schema::whole_label;
use crate::metric::Value;
use crate::metric::context::Copied;
use crate::metric::kind::{Counts, Kind, code};
use crate::sys::clock::coarse_nanos;
use crate::sys::identity::shares_clock;

/// Where the labels of one model come together.
#[derive(Debug)]
pub struct Table {
    /// Distinguishes it from every other table of the reader.
    id: u64,
    shapes: Vec<Shape>,
    /// By address of the plan (which the shape keeps alive) and prefix.
    index: HashMap<(usize, Box<str>), u32>,
    cells: Vec<Cell>,
    /// Of each cell what every value touches, close together.
    heads: Vec<Head>,
    labels: HashMap<Arc<str>, u32>,
    /// The cells by label; shorter than `cells` when some are new.
    sorted: Vec<u32>,
    /// Labels of this snapshot that were named for having two kinds.
    named: usize,
    /// The time of this snapshot, after its values were copied, by the monotonic clock.
    now: u64,
    /// Whether there is a last snapshot to compare with.
    compared: bool,
}

/// A schema with a prefix.
#[derive(Debug)]
struct Shape {
    plan: Arc<Plan>,
    /// The cell of each metric.
    cells: Box<[u32]>,
    /// 1 + the rank of the last file of this snapshot that has the shape; 0: none has.
    latest: usize,
    /// Whether a label of it is of another kind in a file created later.
    mixed: bool,
}

/// The merged value of one label.
#[derive(Debug)]
struct Cell {
    label: Arc<str>,
    value: Option<Value>,
    /// Files merged into `value`.
    files: u64,
    /// Whether only files count that are written now (for kinds where these come first).
    current: bool,
    /// Whether a file of this snapshot has the label.
    seen: bool,
    /// Whose kind, unit and help count: shape and number of the metric.
    of: (u32, u32),
    kind: Option<&'static Kind>,
    /// Kinds that it has in other files and that have been named: a bit for each code.
    others: u64,
    /// In its own place: most readers never ask.
    risen: Option<Box<Risen>>,
}

/// What every value of a cell touches. Most values are counters, and touch nothing else.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// The rank of the last file that had the label; 0: none had.
    file: usize,
    /// Of a counter: the sum, in which there is no more than what counter::KIND says.
    sum: u64,
}

impl Head {
    /// Whether the label is new in the file of this rank. (A retired file has one once for each version of
    /// its schema.)
    fn begin(&mut self, rank: usize, is_retired: bool) -> bool {
        std::mem::replace(&mut self.file, rank) != rank || is_retired
    }

    fn add(&mut self, count: u64) {
        self.sum = self.sum.saturating_add(count);
    }
}

/// Labels that are twice in one file: how many, and the first of them.
#[derive(Default)]
struct Twice(usize, Option<Arc<str>>);

impl Twice {
    fn push(&mut self, cell: &Cell) {
        self.0 += 1;
        self.1.get_or_insert_with(|| Arc::clone(&cell.label));
    }

    fn problem(self) -> Option<String> {
        let (label, more) = (self.1?, self.0 - 1);
        let more = if more > 0 {
            format!(" (and {more} labels more)")
        } else {
            String::new()
        };
        Some(format!(
            "the label {label:?} is there twice{more}: the first counts"
        ))
    }
}

/// Labels of one model that are named for having two kinds.
const PROBLEMS_MOST: usize = 64;

impl Table {
    /// An empty table. No other one of the reader has had this number, which is not 0.
    pub fn new(id: u64) -> Table {
        Table {
            id,
            shapes: Vec::new(),
            index: HashMap::new(),
            cells: Vec::new(),
            heads: Vec::new(),
            labels: HashMap::new(),
            sorted: Vec::new(),
            named: 0,
            now: 0,
            compared: false,
        }
    }

    /// Prepares for a snapshot of those of the files that `of_model` names, which are in the order of
    /// their creation.
    pub fn begin(&mut self, files: &mut [&mut StatsFile], of_model: &[usize]) {
        for cell in &mut self.cells {
            (cell.value, cell.files, cell.current) = (None, 0, false);
            (cell.seen, cell.kind) = (false, None);
            cell.others = 0;
        }
        self.named = 0;
        self.now = coarse_nanos();
        for shape in &mut self.shapes {
            (shape.latest, shape.mixed) = (0, false);
        }
        for (rank, &index) in (1..).zip(of_model) {
            let file = &mut *files[index];
            file.enter(self.id);
            let instances = file.contents.instances.iter_mut();
            for instance in instances.filter(|instance| instance.is_there()) {
                let shape = *instance
                    .shape
                    .get_or_insert_with(|| self.shape(&instance.plan, &instance.prefix));
                self.shapes[shape as usize].latest = rank;
            }
        }
        self.heads.clear();
        self.heads.resize(self.cells.len(), Head::default());
        if self.sorted.len() < self.cells.len() {
            self.sorted = (0..self.cells.len() as u32).collect();
            self.sorted.sort_unstable_by(|&a, &b| {
                self.cells[a as usize]
                    .label
                    .cmp(&self.cells[b as usize].label)
            });
        }
        self.choose_kinds();
    }

    /// The number of a shape, made if it is new.
    fn shape(&mut self, plan: &Arc<Plan>, prefix: &str) -> u32 {
        let key = (Arc::as_ptr(plan) as usize, Box::from(prefix));
        if let Some(&shape) = self.index.get(&key) {
            return shape;
        }
        let number = self.shapes.len() as u32;
        let cells = (plan.metrics.iter())
            .map(|metric| {
                let label: Arc<str> = whole_label(prefix, &metric.schema.label).into();
                *self.labels.entry(Arc::clone(&label)).or_insert_with(|| {
                    self.cells.push(Cell {
                        label,
                        value: None,
                        files: 0,
                        current: false,
                        seen: false,
                        of: (number, 0),
                        kind: None,
                        others: 0,
                        risen: None,
                    });
                    self.cells.len() as u32 - 1
                })
            })
            .collect();
        self.shapes.push(Shape {
            plan: Arc::clone(plan),
            cells,
            latest: 0,
            mixed: false,
        });
        self.index.insert(key, number);
        number
    }

    /// A label with two kinds is of the kind of the file created last.
    fn choose_kinds(&mut self) {
        let mut order: Vec<u32> = (0..self.shapes.len() as u32)
            .filter(|&shape| self.shapes[shape as usize].latest > 0)
            .collect();
        // Of one file the first to have a label counts.
        order.sort_unstable_by_key(|&shape| {
            (self.shapes[shape as usize].latest, std::cmp::Reverse(shape))
        });
        for &number in &order {
            let shape = &self.shapes[number as usize];
            for ((index, metric), &cell) in (0..).zip(&shape.plan.metrics).zip(&shape.cells) {
                let cell = &mut self.cells[cell as usize];
                (cell.of, cell.kind) = ((number, index), Some(metric.kind));
            }
        }
        for &number in &order {
            let shape = &mut self.shapes[number as usize];
            shape.mixed = (shape.plan.metrics.iter().zip(&shape.cells)).any(|(metric, &cell)| {
                self.cells[cell as usize].kind.map(|kind| kind.code) != Some(metric.kind.code)
            });
        }
    }

    /// Adds the values of a file; `rank` is 1 for the first one, and so on.
    pub fn add(
        &mut self,
        rank: usize,
        file: &StatsFile,
        state: State,
        problems: &mut Vec<Problem>,
    ) {
        let (dead, current) = (state == State::Dead, state.is_current());
        let contexts = contexts(file);
        let seen = self.seen(file, current, &contexts);
        let is_retired = file.contents.retired.is_some();
        let mut twice = Twice::default();
        for (_, instance) in file.contents.there() {
            let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
            let plan = &*instance.plan;
            let words = &file.contents.values.words[instance.at..][..plan.words];
            let mut parts = &*instance.parts;
            // Metrics that do not count here, so that their windows do not either: counters of the first
            // loop, in ascending order, and the last one of the second.
            let (mut counters_left_out, mut left_out) = (Vec::new(), None);
            // What most values are, in as few steps as can be.
            if !shape.mixed {
                for &(metric, at) in &plan.counters {
                    let cell = shape.cells[metric as usize] as usize;
                    let head = &mut self.heads[cell];
                    if head.begin(rank, is_retired) {
                        head.add(words[at as usize]);
                    } else {
                        twice.push(&self.cells[cell]);
                        counters_left_out.push(metric as usize);
                    }
                }
            }
            let (mut all, mut others) = (0..plan.metrics.len(), plan.others.iter().copied());
            let rest: &mut dyn Iterator<Item = usize> =
                if shape.mixed { &mut all } else { &mut others };
            for index in rest {
                let (metric, cell) = (&plan.metrics[index], shape.cells[index] as usize);
                let (head, cell) = (&mut self.heads[cell], &mut self.cells[cell]);
                if metric.kind.code == code::WINDOW {
                    let of = index - 1;
                    if left_out == Some(of) || counters_left_out.binary_search(&of).is_ok() {
                        continue;
                    }
                }
                if !head.begin(rank, is_retired) {
                    twice.push(cell);
                    left_out = Some(index);
                    continue;
                }
                if shape.mixed && cell.kind.is_none_or(|kind| kind.code != metric.kind.code) {
                    other_kind(cell, metric, file, &mut self.named, problems);
                    left_out = Some(index);
                    continue;
                }
                if metric.kind.code == code::COUNTER {
                    head.add(words[metric.at]);
                    continue;
                }
                if !has_value(file, instance, metric, seen) {
                    left_out = Some(index);
                    continue;
                }
                cell.seen = true;
                match metric.kind.counts {
                    Counts::All => {}
                    Counts::NotDead if dead => continue,
                    Counts::NotDead => {}
                    Counts::Current if !current => continue,
                    Counts::Current => {}
                    Counts::CurrentElseAll if current == cell.current => {}
                    Counts::CurrentElseAll if current => {
                        // The first that is written now: those before it no longer count.
                        (cell.value, cell.files, cell.current) = (None, 0, true);
                    }
                    Counts::CurrentElseAll => continue,
                }
                let next = decode(
                    &file.contents.values.words,
                    instance,
                    index,
                    metric,
                    &mut parts,
                    seen,
                );
                match &mut cell.value {
                    Some(merged) => (metric.kind.merge)(merged, next, &metric.schema, cell.files),
                    none => *none = Some(next),
                }
                cell.files += 1;
            }
        }
        if let Some(problem) = twice.problem() {
            problems.push(Problem::new(&file.path, problem));
        }
    }

    fn seen<'a>(&self, file: &StatsFile, current: bool, contexts: &'a Copied<'a>) -> Seen<'a> {
        let now = shares_clock(&file.header).then_some(self.now);
        Seen {
            current,
            retired: file.contents.retired.is_some(),
            now,
            contexts,
        }
    }

    /// The labels of a file that were too busy in the last pass.
    pub fn busy<'a>(&'a self, file: &'a StatsFile) -> impl Iterator<Item = &'a Arc<str>> {
        (file.contents.values.busy.iter())
            .map(|&(instance, metric)| self.label(&file.contents.instances[instance], metric))
    }

    fn label(&self, instance: &Instance, metric: usize) -> &Arc<str> {
        let shape = &self.shapes[instance.shape.expect("set by begin") as usize];
        &self.cells[shape.cells[metric] as usize].label
    }

    /// The merged values, by label.
    pub fn finish(&mut self) -> Vec<Stat> {
        let Table {
            shapes,
            cells,
            heads,
            sorted,
            ..
        } = self;
        let stats = sorted
            .iter()
            .filter_map(|&cell| {
                let (head, cell) = (heads[cell as usize], &mut cells[cell as usize]);
                if cell.kind.is_some_and(|kind| kind.code == code::COUNTER) {
                    // The kind in a file of this snapshot, which was added.
                    (cell.seen, cell.value) = (true, Some(Value::Counter(head.sum)));
                }
                if !cell.seen {
                    return None;
                }
                let (shape, metric) = cell.of;
                let plan = &shapes[shape as usize].plan;
                let schema = &plan.metrics[metric as usize];
                let value = cell
                    .value
                    .take()
                    .unwrap_or_else(|| (schema.kind.none)(&schema.schema));
                Some(Stat::new(Arc::clone(&cell.label), value, plan, metric))
            })
            .collect();
        with_windows(stats, |_, _| true)
    }

    /// The values of one file by itself, by label. Only what was had whole at some time.
    pub fn of_file(&self, file: &StatsFile) -> Vec<Stat> {
        let mut stats = Vec::new();
        let contexts = contexts(file);
        // What the file itself says.
        let seen = self.seen(file, true, &contexts);
        for (number, instance) in file.contents.there() {
            let mut parts = &*instance.parts;
            for (index, metric) in instance.plan.metrics.iter().enumerate() {
                if has_value(file, instance, metric, seen) {
                    let value = decode(
                        &file.contents.values.words,
                        instance,
                        index,
                        metric,
                        &mut parts,
                        seen,
                    );
                    let label = Arc::clone(self.label(instance, index));
                    let stat = Stat::new(label, value, &instance.plan, index as u32);
                    stats.push((number, stat));
                }
            }
        }
        // Stable, so that of two with one label the first stays.
        stats.sort_by(|(_, a), (_, b)| a.label().cmp(b.label()));
        stats.dedup_by(|(_, b), (_, a)| a.label() == b.label());
        let (numbers, stats): (Vec<usize>, Vec<Stat>) = stats.into_iter().unzip();
        with_windows(stats, |window, of| numbers[window] == numbers[of])
    }

    /// Whether so many shapes are no longer in use that it pays to begin anew.
    pub fn is_stale(&self) -> bool {
        let used = self.shapes.iter().filter(|shape| shape.latest > 0).count();
        self.shapes.len() > 2 * used + 64
    }
}

/// Names a label that is of another kind in this file: once per snapshot, label and kind.
fn other_kind(
    cell: &mut Cell,
    metric: &Metric,
    file: &StatsFile,
    named: &mut usize,
    problems: &mut Vec<Problem>,
) {
    let kind = 1u64.checked_shl(metric.kind.code.into()).unwrap_or(0);
    if cell.others & kind != 0 || *named >= PROBLEMS_MOST {
        return;
    }
    cell.others |= kind;
    *named += 1;
    problems.push(Problem::new(
        &file.path,
        format!(
            "the label {:?} is a {} here, a {} in a file created later, which counts",
            cell.label,
            metric.kind.name,
            cell.kind.map_or("?", |kind| kind.name),
        ),
    ));
}
