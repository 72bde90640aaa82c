//! The error type of the library.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::bytes::Malformed;

/// What can go wrong when a file is made, grown or read.
///
/// Writing a value never fails; see [`MmStats::local`](crate::MmStats::local) and
/// [`Groups::group`](crate::Groups::group) for where values go when there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as in "create the file".
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A name cannot be a directory, a group or a label.
    #[error("{what} {name:?} {problem}")]
    Name {
        /// The thing to be named, as in "model".
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it and what to write instead.
        problem: &'static str,
    },
    /// The file has this label already.
    #[error("{}: the label {label:?} exists already: choose another name, or set a prefix", path.display())]
    DuplicateLabel {
        /// The file.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// The file may not grow further.
    #[error(
        "{}: full: {wanted} bytes more would exceed the {most} that it may have; \
         set MMSTATS_MAX_SIZE or .max_size() higher", path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// Bytes that were asked for.
        wanted: usize,
        /// Bytes that the file may have: its maximum size, or what a resource limit allows.
        most: usize,
    },
    /// The maximum number of groups is reached.
    #[error("{}: the maximum of {most} groups is reached; raise it with .max_groups()", path.display())]
    TooManyGroups {
        /// The file.
        path: PathBuf,
        /// How many there may be.
        most: usize,
    },
    /// The thread is already appending to the file: the call is a reentrant one, from an allocator, a logger or a
    /// `Drop`.
    #[error(
        "{}: cannot append while this thread is already appending to it; \
         call it later, outside of an allocator or a logger", path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A directory for the files is not safe to write to.
    #[error("{}: {problem}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: &'static str,
    },
    /// The file is not a stats file, or is damaged.
    #[error("{}: {malformed}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        malformed: Malformed,
    },
    /// A value is not of the type that the caller expects.
    #[error("{model}: {label}: {problem}")]
    Value {
        /// The model.
        model: String,
        /// The label.
        label: String,
        /// What it is instead.
        problem: String,
    },
    /// There are no stats files there.
    #[error("{}: no stats files: start the program with MMSTATS_PATH set to it, or name another path", path.display())]
    Nothing {
        /// The root, directory or file.
        path: PathBuf,
    },
}

impl Error {
    /// Returns the text without the path of the file that could not grow, for places where the file is known.
    pub(crate) fn of_known_file(&self) -> String {
        let text = self.to_string();
        let (Error::Io { path, .. }
        | Error::DuplicateLabel { path, .. }
        | Error::Full { path, .. }
        | Error::TooManyGroups { path, .. }) = self
        else {
            return text;
        };
        let path = format!("{}: ", path.display());
        text.strip_prefix(&path).unwrap_or(&text).to_owned()
    }

    /// Makes an operating system error about `path`.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Error {
        Error::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }
}
