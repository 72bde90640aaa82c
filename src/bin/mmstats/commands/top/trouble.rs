//! Problems of the watched files, in one line: `mmstats check` reports all of them.

use mmstats::ErrorsValue;
use mmstats::reader::{File, printable};

use crate::input::Input;
use crate::ui::numbers::counted;

/// Returns the line; empty if nothing is wrong.
pub fn of(input: &Input) -> String {
    let mut found = Vec::new();
    match input.errors().count() {
        0 => {}
        errors => found.push(format!("{errors} not read")),
    }
    let models = input
        .snapshots
        .iter()
        .flat_map(|snapshot| snapshot.models());
    for model in models {
        let name = printable(model.name());
        if model.types().len() > 1 {
            found.push(format!("{name} is written by several types"));
        }
        let logs = (model.series().iter()).filter_map(|stat| stat.value().as_errors());
        let evicted: u64 = logs.map(ErrorsValue::evicted).sum();
        if evicted > 0 {
            let evicted = counted(evicted, "error message", "error messages");
            found.push(format!("{name} has evicted {evicted}"));
        }
    }
    let mut notes = input.files().flat_map(File::notes);
    if let Some(note) = notes.next() {
        found.push(printable(note.text()).into_owned());
        match notes.count() {
            0 => {}
            more => found.push(format!("{} more", counted(more as u64, "note", "notes"))),
        }
    }
    if found.is_empty() {
        String::new()
    } else {
        format!("`mmstats check`: {}", found.join("; "))
    }
}
