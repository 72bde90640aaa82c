//! Where files appear: complete, under a name that was free.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::format::making;
use crate::sys::clock;
use crate::sys::identity::{self, Process};

/// A file without its final name.
#[derive(Debug)]
pub struct Nameless {
    /// The file, open for reading and writing.
    pub file: File,
    /// Its temporary name; `None`: it has none at all (O_TMPFILE).
    temporary: Option<PathBuf>,
}

/// The suffixes that are tried first.
const SUFFIXES_TRIED: usize = 8;

thread_local! {
    /// In which directory (a hash) this thread last gave a name, and its suffix. A thread that keeps
    /// thousands of files in one does not try all their names again for each.
    static LAST_SUFFIX: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
}

/// Makes a root and the model's directory in it. With `trusted` (somebody named the root) their
/// owners and permissions are not questioned.
pub fn prepare(root: &Path, model: &str, mode: u32, trusted: bool) -> Result<PathBuf, Error> {
    let directory = root.join(model);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(directory_mode(mode));
    builder
        .create(&directory)
        .map_err(|error| Error::io(&directory, "make the directory", error))?;
    if !trusted {
        check_owner(root)?;
        check_owner(&directory)?;
    }
    Ok(directory)
}

/// Who may read the files may search the directories.
fn directory_mode(mode: u32) -> u32 {
    mode | 0o700 | (mode & 0o444) >> 2
}

/// A directory of somebody else could be exchanged, or its files, while we write.
fn check_owner(directory: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(directory)
        .map_err(|error| Error::io(directory, "look at the directory", error))?;
    let problem = if !found.is_dir() {
        "is no directory: remove it, or set MMSTATS_PATH"
    } else if found.uid() != Process::this().uid() {
        "belongs to somebody else: set MMSTATS_PATH to a directory of your own"
    } else if found.mode() & 0o022 != 0 {
        "is writable by others: chmod go-w it, or set MMSTATS_PATH"
    } else {
        return Ok(());
    };
    Err(Error::Directory {
        path: directory.to_owned(),
        problem,
    })
}

impl Nameless {
    /// A new file in `directory`.
    pub fn create(directory: &Path, mode: u32) -> Result<Nameless, Error> {
        #[cfg(target_os = "linux")]
        {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(true)
                .mode(mode)
                .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC);
            match options.open(directory) {
                Ok(file) => {
                    return Ok(Nameless {
                        file,
                        temporary: None,
                    });
                }
                // File systems without nameless files, and kernels.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
                    ) => {}
                Err(error) => return Err(Error::io(directory, "create a file in", error)),
            }
        }
        let path = directory.join(making::name(
            std::process::id(),
            identity::thread_id(),
            clock::unix_nanos(),
        ));
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(libc::O_CLOEXEC);
        let file = options
            .open(&path)
            .map_err(|error| Error::io(&path, "create the file", error))?;
        Ok(Nameless {
            file,
            temporary: Some(path),
        })
    }

    /// Gives the file the first name of `<base>`, `<base>-1`, `<base>-2`, … that is free. No file is
    /// ever replaced.
    pub fn publish(self, directory: &Path, base: &str) -> Result<(PathBuf, Metadata), Error> {
        let from = match &self.temporary {
            Some(path) => path.clone(),
            None => PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
        };
        let from = c_path(&from)?;
        let mut hasher = DefaultHasher::new();
        directory.hash(&mut hasher);
        let hash = hasher.finish();
        let (of, last) = LAST_SUFFIX.get();
        let begin = if of == hash { last } else { 0 };
        for suffix in (0..SUFFIXES_TRIED).chain(begin.max(SUFFIXES_TRIED)..1_000_000) {
            let name = if suffix == 0 {
                base.to_owned()
            } else {
                format!("{base}-{suffix}")
            };
            let path = directory.join(name);
            let error = match link(&from, &c_path(&path)?) {
                Ok(()) => {
                    LAST_SUFFIX.set((hash, suffix));
                    let found = self.file.metadata();
                    return match found {
                        Ok(found) => Ok((path, found)),
                        Err(error) => Err(Error::io(&path, "look at the file", error)),
                    };
                }
                Err(error) => error,
            };
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(Error::io(&path, "give its name to the file", error));
            }
        }
        Err(Error::io(
            directory,
            "find a free name in",
            io::ErrorKind::AlreadyExists.into(),
        ))
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // Published or not, the temporary name goes; nothing can be done if it does not.
            let _ = fs::remove_file(path);
        }
    }
}

fn link(from: &CStr, to: &CStr) -> io::Result<()> {
    // SAFETY: two C strings that outlive the call.
    let result = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A path as system calls want it.
pub fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::io(path, "use the path", io::ErrorKind::InvalidInput.into()))
}

/// Opens the file at `path` for growing, if it still is the one with this device and inode.
pub fn reopen(path: &Path, device: u64, inode: u64) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options
        .open(path)
        .map_err(|error| Error::io(path, "open the file to grow it", error))?;
    let found = file
        .metadata()
        .map_err(|error| Error::io(path, "look at the file", error))?;
    if (found.dev(), found.ino()) != (device, inode) {
        return Err(Error::io(
            path,
            "grow the file, which was replaced",
            io::ErrorKind::NotFound.into(),
        ));
    }
    Ok(file)
}
