//! Cells: the values of one label are merged in one cell.

use std::sync::Arc;

use crate::metric::Value;
use crate::metric::kind::Kind;
use crate::reader::file::OpenFile;
use crate::reader::identity::Identity;
use crate::reader::plan::PlannedMetric;
use crate::reader::snapshot::Problem;

/// At most this many labels of one model are reported for having two kinds or identities.
const PROBLEMS_MOST: usize = 64;

/// The merged value of one label.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) label: Arc<str>,
    /// The cell of its metric, if this is a window.
    pub(super) window_of: Option<u32>,
    /// Its place among all cells of the table, by label.
    pub(super) place: u32,
    /// Whether a file of this merge may have the label.
    pub(super) used: bool,
    pub(super) value: Option<Value>,
    /// Files merged into `value`.
    pub(super) files: u64,
    /// Whether only files that are written now count (for kinds in which these take precedence).
    pub(super) current: bool,
    /// Whether a file of this merge has the label.
    pub(super) seen: bool,
    /// The shape and the number of the metric whose kind, unit, help and identity count.
    pub(super) of: (u32, u32),
    pub(super) kind: Option<&'static Kind>,
    /// The kinds that it has in other files and that have been reported: a bit for each code.
    pub(super) others: u64,
    /// The time from which the earliest file with the label counts.
    pub(super) since: u64,
    /// The same, for the files merged into `value`.
    pub(super) merged_since: Option<u64>,
    /// What was counted since the last snapshot. Boxed, because most readers never ask for it.
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

    /// Forgets the previous merge.
    pub(super) fn reset(&mut self) {
        self.used = false;
        (self.value, self.files, self.current) = (None, 0, false);
        (self.seen, self.kind, self.others) = (false, None, 0);
        (self.since, self.merged_since, self.delta) = (u64::MAX, None, None);
    }
}

/// The part of a cell that every value touches. Most values are counters, which touch nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HotCell {
    /// The rank of the last file that had the label; 0 if none had it.
    pub(super) file: usize,
    /// The sum, if it is a counter; `counter::merge_word` adds to it.
    pub(super) sum: u64,
}

impl HotCell {
    /// Returns whether the label is new in the file of this rank. Always true for a retired file, which has a
    /// label once for each version of its schema.
    pub(super) fn begin(&mut self, rank: usize, is_retired: bool) -> bool {
        std::mem::replace(&mut self.file, rank) != rank || is_retired
    }
}

/// Labels that occur twice in one file: how many, and the first of them.
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
            format!(" (and {more} more labels)")
        } else {
            String::new()
        };
        Some(format!(
            "the label {label:?} occurs twice{more}: the first one counts"
        ))
    }
}

/// Reports a label that has another kind in this file, once per snapshot, label and kind.
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

/// Reports a label that has another identity in this file than in one created later. The same text then means
/// two things, of which only one can be shown.
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
