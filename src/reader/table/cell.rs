//! Where the values of one label come together.

use std::sync::Arc;

use crate::metric::Value;
use crate::metric::kind::Kind;
use crate::reader::file::OpenFile;
use crate::reader::identity::Identity;
use crate::reader::plan::PlannedMetric;
use crate::reader::snapshot::Problem;

/// Labels of one model that are named for having two kinds or identities.
const PROBLEMS_MOST: usize = 64;

/// The merged value of one label.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) label: Arc<str>,
    /// Of a window: the cell of its metric.
    pub(super) window_of: Option<u32>,
    /// Its place among all cells of the table, by label.
    pub(super) place: u32,
    /// Whether a file of this merge may have the label.
    pub(super) used: bool,
    pub(super) value: Option<Value>,
    /// Files merged into `value`.
    pub(super) files: u64,
    /// Whether only files count that are written now (for kinds where these come first).
    pub(super) current: bool,
    /// Whether a file of this merge has the label.
    pub(super) seen: bool,
    /// Whose kind, unit, help and identity count: shape and number of the metric.
    pub(super) of: (u32, u32),
    pub(super) kind: Option<&'static Kind>,
    /// Kinds that it has in other files and that have been named: a bit for each code.
    pub(super) others: u64,
    /// From when the earliest file counts that has the label.
    pub(super) since: u64,
    /// The same, of the files merged into `value`.
    pub(super) merged_since: Option<u64>,
    /// What it has more than in the last snapshot. In its own place: most readers never ask.
    pub(super) delta: Option<Box<Value>>,
}

impl Cell {
    pub(super) fn new(label: Arc<str>, window_of: Option<u32>) -> Cell {
        Cell {
            label,
            window_of,
            place: 0,
            used: false,
            value: None,
            files: 0,
            current: false,
            seen: false,
            of: (0, 0),
            kind: None,
            others: 0,
            since: u64::MAX,
            merged_since: None,
            delta: None,
        }
    }

    /// Forgets the merge before.
    pub(super) fn reset(&mut self) {
        self.used = false;
        (self.value, self.files, self.current) = (None, 0, false);
        (self.seen, self.kind, self.others) = (false, None, 0);
        (self.since, self.merged_since, self.delta) = (u64::MAX, None, None);
    }
}

/// What every value of a cell touches. Most values are counters, and touch nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HotCell {
    /// The rank of the last file that had the label; 0: none had.
    pub(super) file: usize,
    /// Of a counter: the sum, which `counter::merge_word` adds up.
    pub(super) sum: u64,
}

impl HotCell {
    /// Whether the label is new in the file of this rank. (A retired file has one once for each version of
    /// its schema.)
    pub(super) fn begin(&mut self, rank: usize, is_retired: bool) -> bool {
        std::mem::replace(&mut self.file, rank) != rank || is_retired
    }
}

/// Labels that are twice in one file: how many, and the first of them.
#[derive(Default)]
pub(super) struct Twice(usize, Option<Arc<str>>);

impl Twice {
    pub(super) fn push(&mut self, cell: &Cell) {
        self.0 += 1;
        self.1.get_or_insert_with(|| Arc::clone(&cell.label));
    }

    pub(super) fn problem(self) -> Option<String> {
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

/// Names a label that is of another kind in this file: once per snapshot, label and kind.
pub(super) fn other_kind(
    cell: &mut Cell,
    metric: &PlannedMetric,
    file: &OpenFile,
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

/// Names a label that has another identity in this file than in one created later: that text means two
/// things, of which only one can be shown.
pub(super) fn other_identity(
    cell: &Cell,
    (here, later): (&Identity, &Identity),
    file: &OpenFile,
    named: &mut usize,
    problems: &mut Vec<Problem>,
) {
    if *named >= PROBLEMS_MOST {
        return;
    }
    *named += 1;
    problems.push(Problem::new(
        &file.path,
        format!(
            "the label {:?} is {} here, {} in a file created later, as which both are shown",
            cell.label,
            here.describe(),
            later.describe(),
        ),
    ));
}
