//! Sources: paths that are read again and again, including those that do not exist yet.

use std::path::PathBuf;

use super::{Per, Reader, Snapshot};
use crate::Error;

/// The readers of some paths.
#[derive(Debug)]
pub struct Sources {
    places: Vec<(PathBuf, Option<Reader>)>,
    per: Per,
    deltas: bool,
}

/// The result of one reading: snapshots, and the paths that failed with their errors.
pub type Read = (Vec<Snapshot>, Vec<(PathBuf, String)>);

impl Sources {
    /// Makes the sources for these paths: roots, models' directories, stats files, or a pid if no file has
    /// that name. Without paths, the roots that the environment names are read.
    pub fn new(paths: &[PathBuf], per: Per, deltas: bool) -> Sources {
        let environment = [PathBuf::new()];
        let paths = if paths.is_empty() {
            &environment
        } else {
            paths
        };
        Sources {
            places: paths.iter().map(|path| (path.clone(), None)).collect(),
            per,
            deltas,
        }
    }

    /// Reads all files that exist now. A path that does not exist is tried again at the next reading.
    pub fn read(&mut self) -> Read {
        let (mut snapshots, mut failures) = (Vec::new(), Vec::new());
        for (path, place) in &mut self.places {
            let reader = match place {
                Some(reader) => Ok(reader),
                None => open(path).map(|mut reader| {
                    reader.per(self.per).deltas(self.deltas);
                    place.insert(reader)
                }),
            };
            match reader.and_then(Reader::snapshot) {
                Ok(snapshot) => snapshots.push(snapshot),
                Err(error) => {
                    let error = match error {
                        Error::Io { action, source, .. } => format!("cannot {action}: {source}"),
                        other => other.to_string(),
                    };
                    failures.push((path.clone(), error));
                }
            }
        }
        (snapshots, failures)
    }
}

fn open(path: &PathBuf) -> Result<Reader, Error> {
    if path.as_os_str().is_empty() {
        return Reader::from_env();
    }
    let pid = path.to_str().and_then(|text| text.parse().ok());
    match pid.filter(|_| !path.exists()) {
        Some(pid) => Ok(Reader::for_process(pid)),
        None => Reader::open(path),
    }
}
