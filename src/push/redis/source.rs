//! Which source a value is of: the name by which its label's state in Redis knows what was added of it.
//!
//! A name has 24 characters: 16 for the file, and 8 for the series. What a retired file absorbs it knows by the
//! first 16. They are digests of what a retired file says of a folded one, of the model, and of the user to whom the
//! file belongs: so a retired file can only absorb files of its own user, as for readers. The creation time has
//! nanoseconds and the token is random: machine, boot and pid namespace, which a retired file does not say, are not
//! needed.

use crate::format::retired::FileId;
use crate::reader::{File, Series};

/// Characters of a name that are its file's.
pub(super) const FILE: usize = 16;

/// The part of a source's name that is its file's; `None` for a retired file that does not say what it has.
pub(super) fn of_file(file: &File) -> Option<String> {
    match file.folded() {
        None => Some(name("", file.id(), file)),
        // Which file was folded first never changes, whatever is folded later.
        Some(retired) => Some(name("retired ", retired.named.first()?.id, file)),
    }
}

/// The same, of all files that a retired file names.
pub(super) fn folded(file: &File) -> impl Iterator<Item = String> {
    let named = file.folded().into_iter().flat_map(|retired| &retired.named);
    named.map(|folded| name("", folded.id, file))
}

/// A source's name. A series may have several: of an error log each name is one. Of a group that can be removed it has
/// 8 characters more, by which the group is told from a later one of its name, that counts from zero again.
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
