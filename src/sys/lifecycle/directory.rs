//! An open directory. Everything in it is named by a single component below its descriptor, so that nobody can
//! substitute another directory or a link between two steps.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use rustix::fs::FileType;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RawMode};

use crate::Error;
use crate::sys::memory::read_map::{self, Opened, Stat};
use crate::sys::process::identity::ProcessIdentity;

/// An open directory and its metadata.
#[derive(Debug)]
pub struct Directory {
    file: File,
    path: PathBuf,
    stat: Stat,
}

/// An entry of a directory, not opened.
#[derive(Debug)]
pub struct DirectoryEntry {
    /// The name.
    pub name: OsString,
    /// The inode number. On most file systems, a file that was created later has a greater one.
    pub inode: u64,
    /// The type of the entry.
    pub kind: FileType,
}

const OPEN: OFlags = OFlags::DIRECTORY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

impl Directory {
    /// Opens a directory. A symbolic link at the end of the path is not followed.
    pub fn open(path: &Path) -> io::Result<Directory> {
        // Without a trailing slash: with one, a link would be followed.
        let path: PathBuf = path.components().collect();
        Directory::open_at(CWD, &path, OFlags::NOFOLLOW, path.clone())
    }

    /// Like [`open`](Self::open), but follows links: for a path that the user of this process has named.
    pub fn open_named(path: &Path) -> io::Result<Directory> {
        Directory::open_at(CWD, path, OFlags::empty(), path.to_owned())
    }

    /// Opens a default root, or a directory in one, without following a link. It must belong to this user, and
    /// others must not be able to write to it, because they could replace files while this process works on them.
    ///
    /// # Errors
    /// `Io` with `NotFound` if it does not exist; `Directory` if it is not safe to use.
    pub fn open_own(path: &Path) -> Result<Directory, Error> {
        let directory = Directory::open(path).map_err(|error| match is_something_else(&error) {
            true => Error::Directory {
                path: path.to_owned(),
                problem: "is a symbolic link or not a directory: remove it, or set MMSTATS_PATH",
            },
            false => Error::io(path, "open the directory", error),
        })?;
        directory.check_own()?;
        Ok(directory)
    }

    /// Checks that only this user can change the directory: see [`open_own`](Self::open_own).
    pub fn check_own(&self) -> Result<(), Error> {
        let problem = if self.stat.uid != ProcessIdentity::this().uid() {
            "belongs to another user: set MMSTATS_PATH to a directory of your own"
        } else if self.stat.mode & 0o022 != 0 {
            "is writable by others: chmod go-w it, or set MMSTATS_PATH"
        } else {
            return Ok(());
        };
        Err(Error::Directory {
            path: self.path.clone(),
            problem,
        })
    }

    fn open_at(at: BorrowedFd, name: &Path, flags: OFlags, path: PathBuf) -> io::Result<Directory> {
        let open = |access| rustix::fs::openat(at, name, OPEN | flags | access, Mode::empty());
        let opened = open(OFlags::RDONLY);
        // A directory that can be searched and written, but not listed, is enough for a writer.
        #[cfg(target_os = "linux")]
        let opened = opened.or_else(|error| match error {
            rustix::io::Errno::ACCESS => open(OFlags::PATH),
            _ => Err(error),
        });
        let file = File::from(opened?);
        Ok(Directory {
            stat: Stat::of_file(&file)?,
            file,
            path,
        })
    }

    /// Opens a directory in this one. A symbolic link is not followed.
    pub fn directory(&self, name: &OsStr) -> io::Result<Directory> {
        let path = self.path.join(name);
        Directory::open_at(self.file.as_fd(), single(name)?, OFlags::NOFOLLOW, path)
    }

    /// Opens a directory in this one. If it does not exist, creates it with exactly these permissions, whatever the
    /// umask is.
    pub fn make_directory(&self, name: &OsStr, mode: u32) -> io::Result<Directory> {
        let made = match rustix::fs::mkdirat(&self.file, single(name)?, permissions(mode)) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            // On a read-only file system, it may exist all the same.
            Err(error) => return self.directory(name).map_err(|_| error.into()),
        };
        let mut directory = self.directory(name)?;
        if made && directory.stat.uid == ProcessIdentity::this().uid() {
            set_mode(directory.file.as_fd(), directory.stat.mode, mode)?;
            directory.stat = Stat::of_file(&directory.file)?;
        }
        Ok(directory)
    }

    /// Opens a regular file for reading, as [`read_map::open`] does.
    pub fn file(&self, name: &OsStr) -> io::Result<Opened> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self
            .open_file(name, flags, 0)
            .map_err(read_map::not_regular)?;
        Opened::regular(file)
    }

    /// Opens a file. If `flags` make the call create it, it gets exactly these permissions.
    pub(super) fn open_file(&self, name: &OsStr, flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = single(name)?;
        let file = rustix::fs::openat(&self.file, name, flags, permissions(mode))?;
        let file = File::from(file);
        if flags.contains(OFlags::EXCL) {
            set_mode(file.as_fd(), Stat::of_file(&file)?.mode, mode)?;
        }
        Ok(file)
    }

    /// Creates a file for reading and writing, with exactly these permissions.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    pub fn new_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    /// Creates a file without a name (O_TMPFILE), with exactly these permissions. Returns `None` if the kernel or
    /// the file system has no such files, or if they cannot be given a name later.
    pub fn nameless(&self, mode: u32) -> io::Result<Option<File>> {
        #[cfg(target_os = "linux")]
        {
            use rustix::io::Errno;
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(&self.file, ".", flags, permissions(mode)) {
                Ok(file) => File::from(file),
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            set_mode(file.as_fd(), Stat::of_file(&file)?.mode, mode)?;
            Ok(can_be_linked(&file).then_some(file))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = mode;
            Ok(None)
        }
    }

    /// Gives a name to a file that [`nameless`](Self::nameless) created.
    pub fn link_nameless(&self, file: &File, name: &OsStr) -> io::Result<()> {
        self.link_at(CWD, &in_proc(file), AtFlags::SYMLINK_FOLLOW, name)
    }

    /// Gives a second name to a file of this directory. A symbolic link is not followed.
    pub fn link(&self, from: &OsStr, name: &OsStr) -> io::Result<()> {
        self.link_at(self.file.as_fd(), single(from)?, AtFlags::empty(), name)
    }

    fn link_at(&self, at: BorrowedFd, path: &Path, flags: AtFlags, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(
            at,
            path,
            &self.file,
            single(name)?,
            flags,
        )?)
    }

    /// Returns device and inode of what has this name now. A symbolic link is not followed.
    #[allow(clippy::unnecessary_cast, reason = "signed numbers on macOS")]
    pub fn identity(&self, name: &OsStr) -> io::Result<(u64, u64)> {
        let found = rustix::fs::statat(&self.file, single(name)?, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((found.st_dev as u64, found.st_ino as u64))
    }

    /// Removes a file.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.file,
            single(name)?,
            AtFlags::empty(),
        )?)
    }

    /// Renames the file `from` to `to`, replacing what had that name.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            &self.file,
            single(from)?,
            &self.file,
            single(to)?,
        )?)
    }

    /// Returns the entries of the directory.
    pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.file)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // illumos never gives the type in the listing; elsewhere, some file systems do not.
            #[cfg(any(target_os = "illumos", target_os = "solaris"))]
            let listed = FileType::Unknown;
            #[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
            let listed = entry.file_type();
            let kind = match listed {
                FileType::Unknown => {
                    match rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(found) => FileType::from_raw_mode(found.st_mode),
                        // Removed in the meantime.
                        Err(_) => continue,
                    }
                }
                kind => kind,
            };
            entries.push(DirectoryEntry {
                name: name.to_owned(),
                inode: entry.ino(),
                kind,
            });
        }
        Ok(entries)
    }

    /// Returns the path as of opening, for messages and for what must be found again later.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the metadata as of opening.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Returns the descriptor.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Checks that a name is a single component; any other would lead out of the directory.
fn single(name: &OsStr) -> io::Result<&Path> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(Path::new(name))
}

/// Returns the path in /proc of an open file of this process.
fn in_proc(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Returns whether a file without a name can be given one later. This goes by way of /proc, which a bare chroot or
/// container may not have. (Linking by the descriptor alone, with AT_EMPTY_PATH, is only allowed to some users, on
/// some kernels.)
#[cfg(target_os = "linux")]
fn can_be_linked(file: &File) -> bool {
    match (std::fs::metadata(in_proc(file)), Stat::of_file(file)) {
        (Ok(by_path), Ok(open)) => Stat::of(&by_path).identity == open.identity,
        _ => false,
    }
}

/// Returns whether the error of opening a directory means that something else has its name: a file or a symbolic
/// link.
pub fn is_something_else(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP))
}

/// Changes the owner of a file, which only the superuser may do.
pub fn give_to(file: &File, uid: u32) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(uid), None)
}

/// Converts permissions for a system call; not every system has 32 bits for them.
pub(in crate::sys) fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as RawMode)
}

/// Restores permissions that the umask removed from a file or directory that was just created.
fn set_mode(file: BorrowedFd, now: u32, wanted: u32) -> io::Result<()> {
    if now & 0o777 == wanted & 0o777 {
        return Ok(());
    }
    Ok(rustix::fs::fchmod(file, permissions(wanted))?)
}

/// Gives this thread the identity of a directory's owner for file accesses, until dropped.
///
/// A superuser who works in a directory of another user can do no more there than that user: the kernel refuses the
/// rest, whatever was put into the directory meanwhile.
#[derive(Debug)]
#[must_use]
pub struct AsOwner {
    /// The previous user and group, if they were changed: on Linux only.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    before: Option<(u32, u32)>,
    /// Makes the value stay on its thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl AsOwner {
    /// Takes on the identity of the directory's owner if this process is the superuser and the owner is not;
    /// otherwise changes nothing.
    ///
    /// # Errors
    /// `PermissionDenied` if the kernel does not allow it, or has no such identities.
    pub fn of(directory: &Directory) -> io::Result<AsOwner> {
        let uid = directory.stat.uid;
        #[cfg_attr(not(target_os = "linux"), allow(unused_mut))]
        let mut this = AsOwner {
            before: None,
            _thread: std::marker::PhantomData,
        };
        if ProcessIdentity::this().uid() != 0 || uid == 0 {
            return Ok(this);
        }
        #[cfg(target_os = "linux")]
        {
            let gid = rustix::fs::fstat(&directory.file)?.st_gid;
            // The group first: setting it takes rights that are lost with the user.
            let before_gid = set_file_group(gid);
            let before_uid = set_file_user(uid);
            this.before = Some((before_uid, before_gid));
            // The calls do not report success. Called with an invalid id, they return the current one.
            if set_file_user(u32::MAX) == uid && set_file_group(u32::MAX) == gid {
                return Ok(this);
            }
        }
        drop(this);
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it belongs to user {uid}, and this process may not act as that user: run this as user {uid}"
            ),
        ))
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some((uid, gid)) = self.before {
            set_file_user(uid);
            set_file_group(gid);
        }
    }
}

/// Sets this thread's user for file accesses and returns the previous one.
#[cfg(target_os = "linux")]
fn set_file_user(uid: u32) -> u32 {
    // SAFETY: takes a number; on Linux the call affects only the calling thread, and touches no memory.
    (unsafe { libc::setfsuid(uid) }) as u32
}

/// Does the same for its group.
#[cfg(target_os = "linux")]
fn set_file_group(gid: u32) -> u32 {
    // SAFETY: as above.
    (unsafe { libc::setfsgid(gid) }) as u32
}
