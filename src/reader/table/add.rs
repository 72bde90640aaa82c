//! Adds the values of one file to the cells of a table.

use super::MergeTable;
use super::cell::{Cell, DuplicateLabels, HotCell, other_kind};
use super::value::{FileStatus, contexts, decode, has_value};
use crate::metric::counter;
use crate::metric::kind::{Counts, code};
#[cfg(feature = "push")]
use crate::reader::contents::Generation;
use crate::reader::contents::ReadInstance;
use crate::reader::file::OpenFile;
use crate::reader::snapshot::Problem;
use crate::reader::state::State;

/// The file whose values are being added.
struct AddedFile<'a> {
    file: &'a OpenFile,
    /// 1 for the first file of the merge, 2 for the next one.
    rank: usize,
    is_dead: bool,
    is_retired: bool,
    /// From when it counts.
    since: u64,
    status: FileStatus<'a>,
    duplicates: DuplicateLabels,
}

impl MergeTable {
    /// Adds the values of a file. `rank` is 1 for the first file, 2 for the next one.
    pub fn add(&mut self, rank: usize, file: &OpenFile, state: State, problems: &mut Vec<Problem>) {
        let contexts = contexts(file);
        let mut added = AddedFile {
            file,
            rank,
            is_dead: state == State::Dead,
            is_retired: file.contents.retired.is_some(),
            since: file.since(),
            status: self.status(file, state.is_current(), &contexts),
            duplicates: DuplicateLabels::default(),
        };
        let place = (rank, added.is_retired);
        for (_, instance) in file.contents.there() {
            let number = instance.shape.expect("set by begin") as usize;
            #[cfg(feature = "push")]
            {
                self.shapes[number].incarnation = instance.generation.map(Generation::incarnation);
            }
            let (shape, plan) = (&self.shapes[number], &*instance.plan);
            // Counters that do not count here, so that their windows do not count either; in ascending order.
            let mut left_out = Vec::new();
            if !shape.mixed {
                let words = &file.contents.values.words[instance.at..][..plan.words];
                if let Some(first) = add_counters(&mut self.heads, &shape.counters, words, place) {
                    left_out = self.add_counters_from(first, number, words, &mut added);
                }
                if plan.others.is_empty() {
                    continue;
                }
            }
            self.add_others(&mut added, number, instance, &left_out, problems);
        }
        if let Some(problem) = added.duplicates.problem() {
            problems.push(Problem::new(&file.path, problem));
        }
    }

    /// Adds the counters from index `duplicate` on, of which the label of this one and perhaps others are in the file
    /// already. Returns the numbers of these metrics.
    #[cold]
    fn add_counters_from(
        &mut self,
        mut duplicate: usize,
        shape: usize,
        words: &[u64],
        added: &mut AddedFile<'_>,
    ) -> Vec<usize> {
        let shape = &self.shapes[shape];
        let place = (added.rank, added.is_retired);
        let mut left_out = Vec::new();
        loop {
            added
                .duplicates
                .push(&self.cells[shape.counters[duplicate].0 as usize]);
            left_out.push(shape.plan.counters[duplicate].0 as usize);
            let rest = &shape.counters[duplicate + 1..];
            match add_counters(&mut self.heads, rest, words, place) {
                Some(next) => duplicate += 1 + next,
                None => return left_out,
            }
        }
    }

    /// Adds the values that are not counters, and if the shape is mixed all values. The counters in
    /// `counters_left_out` do not count.
    fn add_others(
        &mut self,
        added: &mut AddedFile<'_>,
        shape: usize,
        instance: &ReadInstance,
        counters_left_out: &[usize],
        problems: &mut Vec<Problem>,
    ) {
        let AddedFile {
            file,
            rank,
            is_dead,
            is_retired,
            since,
            status,
            ref mut duplicates,
        } = *added;
        let (shape, plan) = (&self.shapes[shape], &*instance.plan);
        let words = &file.contents.values.words;
        let mut extents = &*instance.extents;
        // The last metric that does not count here, so that its window does not count either.
        let mut left_out = None;
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
                duplicates.push(cell);
                left_out = Some(index);
                continue;
            }
            if shape.mixed && cell.kind.is_none_or(|kind| kind.code != metric.kind.code) {
                other_kind(cell, metric, file, &mut self.named, problems);
                left_out = Some(index);
                continue;
            }
            if metric.kind.code == code::COUNTER {
                counter::merge_word(&mut head.sum, words[instance.at + metric.at]);
                continue;
            }
            if !has_value(file, instance, metric, status) {
                left_out = Some(index);
                continue;
            }
            cell.seen = true;
            if !counts(metric.kind.counts, cell, is_dead, status.current) {
                continue;
            }
            let next = decode(words, instance, index, metric, &mut extents, status);
            match &mut cell.value {
                Some(merged) => (metric.kind.merge)(merged, next, &metric.schema, cell.files),
                none => *none = Some(next),
            }
            cell.files += 1;
            cell.merged_since = Some(cell.merged_since.map_or(since, |least| least.min(since)));
        }
    }
}

/// Adds counters of an instance, given by their cells and the places of their words, in a file of this rank, which may
/// be retired. Stops at the first one whose label the file has already, and returns its index.
///
/// Most values of a snapshot are counters. In a function of its own the loop has all that it needs in registers.
#[inline(never)]
fn add_counters(
    heads: &mut [HotCell],
    counters: &[(u32, u32)],
    words: &[u64],
    (rank, is_retired): (usize, bool),
) -> Option<usize> {
    for (index, &(cell, at)) in counters.iter().enumerate() {
        let head = &mut heads[cell as usize];
        if !head.begin(rank, is_retired) {
            return Some(index);
        }
        counter::merge_word(&mut head.sum, words[at as usize]);
    }
    None
}

/// Returns whether a value counts that was read in a file. If it is the first one of a file that is written now, and
/// only these count from then on, the cell begins anew.
fn counts(counts: Counts, cell: &mut Cell, is_dead: bool, is_current: bool) -> bool {
    match counts {
        Counts::All => true,
        Counts::NotDead => !is_dead,
        Counts::Current => is_current,
        Counts::CurrentElseAll if is_current == cell.current => true,
        Counts::CurrentElseAll if is_current => {
            (cell.value, cell.files, cell.current) = (None, 0, true);
            cell.merged_since = None;
            true
        }
        Counts::CurrentElseAll => false,
    }
}
