//! Statistics in private memory, as a reader sees them.
//!
//! The reader reads only files. So each snapshot writes one to a directory of its own, which is removed
//! afterwards.

use std::fs;

use super::directory::TempDirectory;
use crate::reader::{Reader, Snapshot};
use crate::{MmStats, Stats};

/// Returns statistics in private memory, without a file: `T::builder().anonymous().create()`.
///
/// ```
/// use mmstats::{Counter, MmStats, testing};
///
/// #[derive(MmStats)]
/// struct Web {
///     requests: Counter,
/// }
///
/// let web = testing::model::<Web>();
/// web.requests.inc();
/// assert_eq!(web.requests.get(), 1);
/// ```
///
/// # Panics
/// If they cannot be created, for example because two metrics have the same label.
#[track_caller]
pub fn model<T: MmStats>() -> Stats<T> {
    match T::builder().anonymous().create() {
        Ok(stats) => stats,
        Err(error) => panic!("cannot create the statistics {}: {error}", T::NAME),
    }
}

/// Reads statistics as a reader of their file would: with kinds, labels, groups and windows.
///
/// Copies what they contain to a file, which is removed at once: some hundred microseconds.
///
/// ```
/// use mmstats::{Counter, Groups, MmStats, testing};
///
/// #[derive(MmStats)]
/// #[mmstats(name = "web")]
/// struct Web {
///     #[mmstats(group_label = "handler")]
///     handlers: Groups<Handler>,
/// }
/// #[derive(MmStats)]
/// struct Handler {
///     requests: Counter,
/// }
///
/// let web = testing::model::<Web>();
/// web.handlers.group("index").requests.inc();
/// let snapshot = testing::snapshot(&web);
/// let series = &snapshot.model("web").unwrap().series()[0];
/// assert_eq!(series.label_value("handler"), Some("index"));
/// assert_eq!(series.kind(), "counter");
/// ```
///
/// # Panics
/// If no temporary file can be written, and on platforms where files are not supported.
#[track_caller]
pub fn snapshot<T>(stats: &Stats<T>) -> Snapshot {
    match try_snapshot(&stats.image()) {
        Ok(snapshot) => snapshot,
        Err(error) => panic!("cannot read the statistics: {error}"),
    }
}

fn try_snapshot(image: &[u8]) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let directory = TempDirectory::new()?;
    let path = directory.path().join("snapshot.mmstats");
    fs::write(&path, image).map_err(|error| format!("{}: {error}", path.display()))?;
    let snapshot = Reader::open(&path)?.snapshot()?;
    // The thread that reads is the one that writes, so every value is consistent.
    match snapshot.errors().first() {
        None => Ok(snapshot),
        Some(problem) => Err(problem.error().into()),
    }
}
