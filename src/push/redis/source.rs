//! Names of sources. A label's state in Redis uses them as keys for what it has added from each source.
//!
//! A name has 24 characters: 16 for the file, and 8 for the series. A retired file identifies the files that it
//! absorbs by the first 16. These are a digest of what a retired file records of a folded file, of the model, and of
//! the user who owns the file. So a retired file can only absorb files of its own user, as for readers. The creation
//! time has nanoseconds and the token is random, so machine, boot and pid namespace, which a retired file does not
//! record, are not needed.

use crate::format::retired::FileId;
use crate::reader::{File, Series};

/// The number of characters of a name that identify the file.
pub(super) const FILE: usize = 16;

/// Returns the part of a source's name that identifies its file; `None` for a retired file that does not name any
/// folded file.
pub(super) fn of_file(file: &File) -> Option<String> {
    match file.folded() {
        None => Some(name("", file.id(), file)),
        // The file that was folded first never changes, whatever is folded later.
        Some(retired) => Some(name("retired ", retired.named.first()?.id, file)),
    }
}

/// Returns the same part for all files that a retired file names.
pub(super) fn folded(file: &File) -> impl Iterator<Item = String> {
    let named = file.folded().into_iter().flat_map(|retired| &retired.named);
    named.map(|folded| name("", folded.id, file))
}

/// Returns a source's name. A series may have several: in an error log, each name is a source. For a group that can
/// be removed, the name has 8 more characters, which distinguish the group from a later one of the same name that
/// counts from zero again.
pub(super) fn of_series(file: &str, series: &Series, label: &str) -> String {
    let digest = |text: String| format!("{:x}", md5::compute(text))[..8].to_owned();
    let name = digest(format!("{}\n{label}", series.label()));
    let incarnation = series
        .incarnation()
        .map(|incarnation| digest(format!("{incarnation:?}")));
    format!("{file}{name}{}", incarnation.unwrap_or_default())
}

fn name(what: &str, id: FileId, file: &File) -> String {
    let id = id.words();
    let digest = md5::compute(format!(
        "{what}{id:x?} {} {}",
        file.owned_by(),
        file.model()
    ));
    let digest = format!("{digest:x}");
    digest[..FILE].to_owned()
}
