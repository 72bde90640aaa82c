//! Merging: turns the files that were read into the models of a snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::file::OpenFile;
use super::snapshot::{File, Model, Problem, Process, Snapshot};
use super::state::State;
use super::table::MergeTable;
use crate::sys::memory::hashing::random_state;

/// The merge tables of all models, kept from one snapshot to the next.
#[derive(Debug, Default)]
pub struct Merger {
    tables: BTreeMap<Arc<str>, MergeTable>,
    last_table: u64,
}

/// What a snapshot keeps apart: see [`Reader::per`](crate::reader::Reader::per).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Per {
    /// Each model appears once, merged over all of its files.
    #[default]
    Model,
    /// Each model appears once for each process that has files of it, merged over these by the same rules,
    /// and once for the totals of ended processes, if there are any.
    Process,
    /// Each model appears once for each of its files, with everything in the file, whatever its state.
    File,
}

/// What a merge keeps apart, and whether it computes deltas.
#[derive(Clone, Copy, Debug)]
pub struct MergeOptions {
    /// What to keep apart beside the merged models.
    pub per: Per,
    /// Whether to compute deltas, and since when: the time at which the previous snapshot began.
    pub deltas: Option<u64>,
}

impl Merger {
    /// Adds the models to a snapshot of these files, which must be in the order of their creation. `gone` are
    /// files of the last snapshot that have been folded since; they matter only for deltas.
    pub fn merge(
        &mut self,
        files: &mut [&mut OpenFile],
        gone: &[&OpenFile],
        snapshot: &mut Snapshot,
        wanted: MergeOptions,
    ) {
        let by_model = by_model(files);
        self.tables.retain(|name, _| by_model.contains_key(name));
        snapshot.parts = (wanted.per != Per::Model).then(Vec::new);
        for (name, indices) in by_model {
            let table = self.table(&name);
            let mut merging = Merging {
                table,
                name,
                files,
                states: &snapshot.files,
                deltas: wanted.deltas,
            };
            if wanted.per != Per::Model || wanted.deltas.is_some() {
                merging.table.enter(merging.files, &indices);
            }
            if wanted.deltas.is_some() {
                merging.compare_retired(&indices, gone);
            }
            let mut parts = Vec::new();
            for of_part in partition(wanted.per, merging.files, &indices) {
                parts.push(merging.part(wanted.per, of_part));
            }
            snapshot
                .merged
                .push(merging.whole(indices, &mut snapshot.errors, &mut snapshot.busy));
            if let Some(all) = &mut snapshot.parts {
                if wanted.per == Per::File {
                    for (place, part) in (all.len()..).zip(&parts) {
                        snapshot.files[part.files[0]].part = Some(place);
                    }
                }
                all.append(&mut parts);
            }
        }
        snapshot.busy.sort_unstable();
        snapshot.busy.dedup();
    }

    /// Returns the table of a model.
    fn table(&mut self, name: &Arc<str>) -> &mut MergeTable {
        let mut new = || {
            self.last_table += 1;
            MergeTable::new(self.last_table)
        };
        let table = self.tables.entry(Arc::clone(name)).or_insert_with(&mut new);
        if table.is_stale() {
            *table = new();
        }
        table
    }
}

/// One model while its files are merged.
struct Merging<'a, 'b> {
    table: &'a mut MergeTable,
    name: Arc<str>,
    files: &'a mut [&'b mut OpenFile],
    /// The files as listed in the snapshot.
    states: &'a [File],
    deltas: Option<u64>,
}

impl Merging<'_, '_> {
    fn compare_retired(&mut self, indices: &[usize], gone: &[&OpenFile]) {
        let of_model = |file: &&&OpenFile| *file.header.model == *self.name;
        let gone: Vec<&OpenFile> = gone.iter().filter(of_model).copied().collect();
        self.table.compare_retired(self.files, indices, &gone);
    }

    /// Returns the model, merged over all of its files.
    fn whole(
        &mut self,
        indices: Vec<usize>,
        problems: &mut Vec<Problem>,
        busy: &mut Vec<(Arc<str>, Arc<str>)>,
    ) -> Model {
        let model = self.merge(indices, |file| file.state, problems);
        for &index in &model.files {
            let labels = self.table.busy(&*self.files[index]);
            busy.extend(labels.map(|label| (Arc::clone(&self.name), Arc::clone(label))));
        }
        model
    }

    /// Returns the model merged over the files of one process, or over one file.
    fn part(&mut self, per: Per, indices: Vec<usize>) -> Model {
        // Problems with the files are reported by `whole`.
        let mut problems = Vec::new();
        let first = &self.states[indices[0]];
        let process = first.retired.is_none().then(|| Process::of(first));
        let file = (per == Per::File).then(|| Box::new(first.clone()));
        let model = match per {
            // A file by itself shows everything in it, whatever its state.
            Per::File => self.merge(indices, |_| State::Live, &mut problems),
            _ => self.merge(indices, |file| file.state, &mut problems),
        };
        Model {
            process,
            file,
            ..model
        }
    }

    fn merge(
        &mut self,
        indices: Vec<usize>,
        state: impl Fn(&File) -> State,
        problems: &mut Vec<Problem>,
    ) -> Model {
        let table = &mut *self.table;
        table.begin(self.files, &indices, problems);
        for (rank, &index) in (1..).zip(&indices) {
            let file = &*self.files[index];
            table.add(rank, file, state(&self.states[index]), problems);
            if self.deltas.is_some() {
                table.add_deltas(file);
            }
        }
        let series = table.finish();
        let deltas = self.deltas.map(|last| table.finish_deltas(last));
        let files = || indices.iter().map(|&index| &*self.files[index]);
        let written = (indices.iter())
            .filter(|&&index| self.states[index].state != State::Dead)
            .map(|&index| &*self.files[index]);
        Model {
            help: help(&self.name, files()),
            export: export(&self.name, files()),
            types: types(&self.name, written),
            processes: processes(files().filter(|file| file.contents.retired.is_none())),
            series,
            deltas: deltas.unwrap_or_default(),
            process: None,
            file: None,
            name: Arc::clone(&self.name),
            files: indices,
        }
    }
}

/// Returns the files of each part. Parts are ordered by the creation of their first file.
fn partition(per: Per, files: &[&mut OpenFile], indices: &[usize]) -> Vec<Vec<usize>> {
    match per {
        Per::Model => Vec::new(),
        Per::File => indices.iter().map(|&index| vec![index]).collect(),
        Per::Process => {
            let mut parts: Vec<Vec<usize>> = Vec::new();
            let mut of_process = HashMap::with_hasher(random_state());
            for &index in indices {
                let file = &*files[index];
                // Retired files belong to no process.
                let process = (file.contents.retired.is_none()).then(|| file.header.process());
                let part = *of_process.entry(process).or_insert(parts.len());
                match parts.get_mut(part) {
                    Some(files) => files.push(index),
                    None => parts.push(vec![index]),
                }
            }
            parts
        }
    }
}

/// Returns the help text of a model, from the latest of these files that has one.
fn help<'a>(model: &str, files: impl DoubleEndedIterator<Item = &'a OpenFile>) -> Arc<str> {
    let plans = files
        .rev()
        .filter_map(|file| Some(&file.contents.instances.first()?.plan));
    let mut own = plans.filter(|plan| *plan.model == *model && !plan.help.is_empty());
    own.next()
        .map_or_else(Arc::default, |plan| Arc::clone(&plan.help))
}

/// Returns what exporters put in front of a model's names, from the latest of these files that says so.
/// `None` means the model's name.
fn export<'a>(
    model: &str,
    files: impl DoubleEndedIterator<Item = &'a OpenFile>,
) -> Option<Arc<str>> {
    let plans = files
        .rev()
        .filter_map(|file| Some(&file.contents.instances.first()?.plan));
    plans
        .filter(|plan| *plan.model == *model)
        .find_map(|plan| plan.export.clone())
}

/// Returns the indices of each model's files.
fn by_model(files: &[&mut OpenFile]) -> BTreeMap<Arc<str>, Vec<usize>> {
    let mut by_model: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        match by_model.get_mut(&*file.header.model) {
            Some(of_model) => of_model.push(index),
            None => drop(by_model.insert(file.header.model.as_str().into(), vec![index])),
        }
    }
    by_model
}

/// Returns the types of a model's own schemas in these files.
fn types<'a>(model: &str, files: impl Iterator<Item = &'a OpenFile>) -> Vec<Arc<str>> {
    // The first instance is the model itself or, in a file that has only groups, one of these.
    let plans = files.filter_map(|file| Some(&file.contents.instances.first()?.plan));
    let own = plans.filter(|plan| *plan.model == *model && !plan.type_path.is_empty());
    let mut types: Vec<Arc<str>> = Vec::new();
    for plan in own {
        // Nearly always the same as the previous one.
        let known = |path: &Arc<str>| Arc::ptr_eq(path, &plan.type_path) || *path == plan.type_path;
        if !types.iter().any(known) {
            types.push(Arc::clone(&plan.type_path));
        }
    }
    types.sort_unstable();
    types
}

/// Returns how many processes made these files.
fn processes<'a>(files: impl Iterator<Item = &'a OpenFile>) -> usize {
    let mut processes = HashSet::with_hasher(random_state());
    processes.extend(files.map(|file| file.header.process()));
    processes.len()
}
