//! Merging: from the files that were read to the models of a snapshot.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::file::StatsFile;
use super::snapshot::{Model, Snapshot};
use super::state::State;
use super::table::Table;
use crate::sys::memory::hashing::random_state;

/// The merge tables of all models, from one snapshot to the next.
#[derive(Debug, Default)]
pub struct Merger {
    tables: BTreeMap<Arc<str>, Table>,
    last_table: u64,
}

impl Merger {
    /// Adds the models to a snapshot whose files are these, in the order of their creation; and to its
    /// files their own values, if `per_file`.
    pub fn merge(&mut self, files: &mut [&mut StatsFile], snapshot: &mut Snapshot, per_file: bool) {
        let by_model = by_model(files);
        self.tables.retain(|name, _| by_model.contains_key(name));
        for (name, indices) in by_model {
            let table = self.table(&name);
            table.begin(files, &indices);
            for (rank, &index) in (1..).zip(&indices) {
                let file = &*files[index];
                table.add(
                    rank,
                    file,
                    snapshot.files[index].state,
                    &mut snapshot.errors,
                );
                let busy = table.busy(file);
                snapshot
                    .busy
                    .extend(busy.map(|label| (Arc::clone(&name), Arc::clone(label))));
                if per_file {
                    snapshot.files[index].stats = Some(table.of_file(file));
                }
            }
            let written = (indices.iter())
                .filter(|&&index| snapshot.files[index].state != State::Dead)
                .map(|&index| &*files[index]);
            snapshot.models.push(Model {
                types: types(&name, written),
                processes: processes(
                    (indices.iter().map(|&index| &*files[index]))
                        .filter(|file| file.contents.retired.is_none()),
                ),
                stats: table.finish(),
                risen: Vec::new(),
                files: indices,
                name,
            });
        }
        snapshot.busy.sort_unstable();
        snapshot.busy.dedup();
    }

    /// Adds to the models of a snapshot what they have risen by since the one before, and to its files
    /// what each of them has, if `per_file`. `gone` are files that are no longer there.
    pub fn add_risen(
        &mut self,
        files: &[&StatsFile],
        gone: &[&StatsFile],
        snapshot: &mut Snapshot,
        per_file: bool,
    ) {
        let (of_files, models) = (&mut snapshot.files, &mut snapshot.models);
        for model in models {
            let table = self.tables.get_mut(&model.name).expect("just merged");
            for &index in &model.files {
                table.add_risen(files[index]);
                if per_file {
                    of_files[index].risen = Some(table.risen_of_file(files[index]));
                }
            }
            let gone = gone.iter().filter(|file| *file.header.model == *model.name);
            gone.for_each(|file| table.add_gone(file));
            model.risen = table.finish_risen();
        }
    }

    /// The table of a model.
    fn table(&mut self, name: &Arc<str>) -> &mut Table {
        let mut new = || {
            self.last_table += 1;
            Table::new(self.last_table)
        };
        let table = self.tables.entry(Arc::clone(name)).or_insert_with(&mut new);
        if table.is_stale() {
            *table = new();
        }
        table
    }
}

/// The files of each model, by their places.
fn by_model(files: &[&mut StatsFile]) -> BTreeMap<Arc<str>, Vec<usize>> {
    let mut by_model: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        match by_model.get_mut(&*file.header.model) {
            Some(of_model) => of_model.push(index),
            None => drop(by_model.insert(file.header.model.as_str().into(), vec![index])),
        }
    }
    by_model
}

/// The types of a model's own schemas in these files.
fn types<'a>(model: &str, files: impl Iterator<Item = &'a StatsFile>) -> Vec<Arc<str>> {
    // The first instance is the model itself, or of a file of groups one of these.
    let plans = files.filter_map(|file| Some(&file.contents.instances.first()?.plan));
    let own = plans.filter(|plan| *plan.model == *model && !plan.type_path.is_empty());
    let mut types: Vec<Arc<str>> = Vec::new();
    for plan in own {
        // Nearly always the one before.
        let known = |path: &Arc<str>| Arc::ptr_eq(path, &plan.type_path) || *path == plan.type_path;
        if !types.iter().any(known) {
            types.push(Arc::clone(&plan.type_path));
        }
    }
    types.sort_unstable();
    types
}

/// How many processes made these files.
fn processes<'a>(files: impl Iterator<Item = &'a StatsFile>) -> usize {
    let mut processes = HashSet::with_hasher(random_state());
    processes.extend(files.map(|file| file.header.process()));
    processes.len()
}
