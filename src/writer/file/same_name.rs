//! Two models of one name: an application's and a library's `Stats`, say.

use std::path::{Path, PathBuf};

use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendList;

/// The type that first had a model's directory in this process.
struct First {
    directory: PathBuf,
    type_path: &'static str,
}

static FIRST: AppendList<First> = AppendList::new();

/// Notes that a type (empty: none) writes a model's directory, and reports it if another one does, too: what
/// they have of one label is mixed.
pub fn enter(directory: &Path, model: &str, type_path: &'static str) {
    let same = |first: &First| first.directory == directory;
    if type_path.is_empty() {
        return;
    }
    if !FIRST.iter().any(same) {
        let directory = directory.to_owned();
        let first = First {
            directory,
            type_path,
        };
        FIRST.push_unless(first, |other, _| same(other));
    }
    let first = FIRST.iter().find(|first| same(first));
    if let Some(first) = first.filter(|first| first.type_path != type_path) {
        let text = format_args!(
            "two models have this name, {} and {type_path}: their values are mixed; give one of them \
             another, #[mmstats(name = \"…\")]",
            first.type_path
        );
        report::later(model, "same name", &text);
    }
}
