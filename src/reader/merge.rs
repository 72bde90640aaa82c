//! Merging: from the files that were read to the models of a snapshot.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::file::StatsFile;
use super::snapshot::{Model, Snapshot};
use super::table::Table;

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
            snapshot.models.push(Model {
                processes: processes(
                    (indices.iter().map(|&index| &*files[index]))
                        .filter(|file| file.contents.retired.is_none()),
                ),
                stats: table.finish(),
                files: indices,
                name,
            });
        }
        snapshot.busy.sort_unstable();
        snapshot.busy.dedup();
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

/// How many processes made these files.
fn processes<'a>(files: impl Iterator<Item = &'a StatsFile>) -> usize {
    files
        .map(|file| file.header.process())
        .collect::<HashSet<_>>()
        .len()
}
