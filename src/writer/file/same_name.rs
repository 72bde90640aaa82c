//! Two models with the same name, such as an application's `Stats` and a library's.

use std::path::{Path, PathBuf};

use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendList;

/// The type that first used a model's directory in this process.
struct First {
    directory: PathBuf,
    type_path: &'static str,
}

static FIRST: AppendList<First> = AppendList::new();

/// Notes that a type (empty: none) writes to a model's directory. Reports it if another type does so, too, because
/// their values with the same label are mixed.
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
            "two models have this name, {} and {type_path}: their values are mixed; rename one of \
             them with #[mmstats(name = \"…\")]",
            first.type_path
        );
        report::later(model, "same name", &text);
    }
}
