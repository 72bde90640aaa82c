//! Where files appear: complete, under a name that was free.

use std::cell::Cell;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::format::temp_name;
use crate::sys::lifecycle::directory::{self, Directory};
use crate::sys::lifecycle::held_locks;
use crate::sys::lifecycle::retained;
use crate::sys::memory::read_map::Stat;
use crate::sys::process::clock;
use crate::sys::process::identity::{self, LOCK_FILE, ProcessIdentity};

/// A file without its final name.
#[derive(Debug)]
pub struct Nameless {
    /// The file, open for reading and writing.
    pub file: File,
    /// The directory in which it is to appear.
    directory: Directory,
    /// Its temporary name; `None` if it has no name at all (O_TMPFILE).
    temporary: Option<OsString>,
}

/// The number of suffixes that are always tried first.
const SUFFIXES_TRIED: usize = 8;

thread_local! {
    /// The directory (as a hash) in which this thread last named a file, and the suffix of that name. So a thread
    /// that keeps thousands of files in one directory does not try all their names again for each new file.
    static LAST_SUFFIX: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
}

/// Makes a root and the model's directory in it. With `trusted` (somebody named the root), their owners and
/// permissions are not checked.
pub fn prepare(root: &Path, model: &str, mode: u32, trusted: bool) -> Result<Directory, Error> {
    let permissions = directory_mode(mode);
    let refused = |path: &Path, error| refused(path, "create the directory", error);
    let above = if trusted {
        make_all(root, permissions).map_err(|error| refused(root, error))?
    } else {
        // Nothing is made in a root that is a link or belongs to somebody else: the root is opened and checked
        // first.
        let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
            return Err(refused(root, io::ErrorKind::InvalidInput.into()));
        };
        let parent = make_all(parent, permissions).map_err(|error| refused(parent, error))?;
        // If something is wrong with what is there, `open_own` says so.
        let made = parent.make_directory(name, permissions);
        Directory::open_own(root).map_err(|error| match (error, made) {
            (Error::Io { .. }, Err(error)) => refused(root, error),
            (error, _) => error,
        })?
    };
    make_lock(&above, mode);
    let fail = |error| refused(&above.path().join(model), error);
    let directory = above
        .make_directory(OsStr::new(model), permissions)
        .map_err(fail)?;
    if !trusted {
        directory.check_own()?;
    } else if is_of_another_user(&above, &directory) {
        // Users who share a root, but not the directories in it, have one directory each. The files say which model
        // it belongs to.
        let own = format!("{model}-{}", ProcessIdentity::this().uid());
        return above
            .make_directory(OsStr::new(&own), permissions)
            .map_err(fail);
    }
    Ok(directory)
}

/// Returns whether a model's directory belongs to another user alone, in a root that users share as they share /tmp
/// (a sticky one).
fn is_of_another_user(root: &Directory, model: &Directory) -> bool {
    const STICKY: u32 = 0o1000;
    let is_shared = |directory: &Directory| directory.stat().mode & 0o022 != 0;
    let (root, found) = (
        (root.stat().mode & STICKY != 0 && is_shared(root)),
        model.stat(),
    );
    let own = ProcessIdentity::this().uid();
    root && found.uid != own && !(is_shared(model) && found.uid == 0)
}

/// Opens a directory. First makes it and those above it, if they do not exist.
fn make_all(path: &Path, mode: u32) -> io::Result<Directory> {
    match Directory::open_named(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let parent = make_all(path.parent().ok_or(io::ErrorKind::NotFound)?, mode)?;
    match path.file_name() {
        Some(name) => parent.make_directory(name, mode),
        // The path ends with "..", and what is above exists by now.
        None => Directory::open_named(path),
    }
}

/// Makes the lock file of a root, with exactly these permissions and the sticky bit, because of which cleaners of
/// temporary directories leave it alone. Whatever is already there stays; `held_locks::hold_lock` finds out whether
/// it can be locked.
fn make_lock(root: &Directory, mode: u32) {
    let _ = root.new_file(OsStr::new(LOCK_FILE), mode | held_locks::STICKY);
}

/// Returns the permissions of directories: whoever may read the files may search the directories.
fn directory_mode(mode: u32) -> u32 {
    mode | 0o700 | (mode & 0o444) >> 2
}

/// Returns an error that says what could not be done with a directory, and what to do about it.
fn refused(path: &Path, action: &'static str, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let this user write to the directory above, or set MMSTATS_PATH to a directory of its own"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "set MMSTATS_PATH to a directory on a file system that can be written"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make space, or set MMSTATS_PATH to another directory"
        }
        kind if kind == io::ErrorKind::AlreadyExists || directory::is_something_else(&error) => {
            "a file or a symbolic link is in the way: remove it, or set MMSTATS_PATH to another directory"
        }
        _ => return Error::io(path, action, error),
    };
    Error::io(
        path,
        action,
        io::Error::new(error.kind(), format!("{error}: {remedy}")),
    )
}

impl Nameless {
    /// Makes a new file in `directory`.
    pub fn create(directory: Directory, mode: u32) -> Result<Nameless, Error> {
        let fail =
            |directory: &Directory, error| refused(directory.path(), "create a file in", error);
        let nameless = directory
            .nameless(mode)
            .map_err(|error| fail(&directory, error))?;
        if let Some(file) = nameless {
            return Ok(Nameless {
                file,
                directory,
                temporary: None,
            });
        }
        let (pid, tid) = (identity::process_id(), identity::thread_id());
        let name: OsString = temp_name::name(pid, tid, clock::system_nanos()).into();
        match directory.new_file(&name, mode) {
            Ok(file) => Ok(Nameless {
                file,
                directory,
                temporary: Some(name),
            }),
            Err(error) => Err(fail(&directory, error)),
        }
    }

    /// Gives the file the first free name among `<base>`, `<base>-1`, `<base>-2`, …. No file is ever replaced.
    pub fn publish(self, base: &str) -> Result<(PathBuf, Stat), Error> {
        let directory = &self.directory;
        let link = |name: &OsStr| match &self.temporary {
            Some(temporary) => directory.link(temporary, name),
            None => directory.link_nameless(&self.file, name),
        };
        let mut hasher = DefaultHasher::new();
        directory.path().hash(&mut hasher);
        let hash = hasher.finish();
        let (of, last) = LAST_SUFFIX.get();
        let begin = if of == hash { last } else { 0 };
        for suffix in (0..SUFFIXES_TRIED).chain(begin.max(SUFFIXES_TRIED)..1_000_000) {
            let name = if suffix == 0 {
                base.to_owned()
            } else {
                format!("{base}-{suffix}")
            };
            let path = directory.path().join(&name);
            let error = match link(OsStr::new(&name)) {
                Ok(()) => {
                    LAST_SUFFIX.set((hash, suffix));
                    let found = Stat::of_file(&self.file);
                    return match found {
                        Ok(found) => Ok((path, found)),
                        Err(error) => Err(Error::io(&path, "read the metadata of the file", error)),
                    };
                }
                Err(error) => error,
            };
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(Error::io(&path, "name the file", error));
            }
        }
        Err(Error::io(
            directory.path(),
            "find a free name in",
            io::ErrorKind::AlreadyExists.into(),
        ))
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            // Whether the file was published or not, the temporary name is removed. If that fails, nothing can be
            // done.
            let _ = self.directory.remove(name);
        }
    }
}

/// Returns a path in the form that system calls take.
pub fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::io(path, "use the path", io::ErrorKind::InvalidInput.into()))
}

/// Opens the file at `path` to grow it, if it is still the one with this device and inode.
pub fn reopen(path: &Path, identity: (u64, u64)) -> Result<File, Error> {
    let file = retained::reopen(path)
        .map_err(|error| Error::io(path, "open the file to grow it", error))?;
    let found = Stat::of_file(&file)
        .map_err(|error| Error::io(path, "read the metadata of the file", error))?;
    if found.identity != identity {
        return Err(Error::io(
            path,
            "grow the file, which was replaced",
            io::ErrorKind::NotFound.into(),
        ));
    }
    Ok(file)
}
