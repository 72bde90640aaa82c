//! Finds the files that other processes have mapped for writing, from /proc, so that stats files are found whatever
//! their root is. Without /proc, nothing is found.

mod mounts;

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use self::mounts::Mounts;
use super::identity::LOCK_FILE;
use crate::format::header::MAGIC;

/// A file that a process has mapped as shared and for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// The path at which it is found from here.
    pub path: PathBuf,
    /// Its inode number.
    pub inode: u64,
}

/// The files that a process has mapped, and those that were not examined.
#[derive(Debug, Default)]
pub struct Mappings {
    /// Files that have a name, each once.
    pub named: Vec<MappedFile>,
    /// Files that no longer have a name, by directory.
    pub removed: Vec<RemovedMappings>,
    /// Files that were not examined: their directories, as the process sees them, and the type of the file system
    /// that may hang.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Which files of a process are examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All, because the process was named explicitly.
    All,
    /// Only those that can be reached without asking a server (FUSE, NFS …). The server may be a user's program,
    /// and a process that waits for a server that does not answer cannot even be killed.
    Local,
}

/// Returns the pids of all processes.
pub fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// Files that were removed while a process still writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedMappings {
    /// The directory in which they were, as the process sees it.
    pub directory: PathBuf,
    /// The pid of the process.
    pub pid: u32,
    /// The path at which each file is still found: below `/proc/<pid>/map_files`, for root only.
    pub files: Vec<PathBuf>,
}

/// Returns the files that a process has mapped and for whose names `wanted` returns true, each once.
///
/// A file that was created without a name (O_TMPFILE) and linked later has no name in `maps`. It is looked up by
/// inode number in the directory in which it was created. If it is not there, it was removed; if the directory
/// cannot be listed, nothing is concluded.
///
/// # Errors
/// `NotFound` if there is no such process, `PermissionDenied` if this user may not look at it.
pub fn mapped(pid: u32, reach: Reach, wanted: impl Fn(&Path) -> bool) -> io::Result<Mappings> {
    let maps = fs::read(format!("/proc/{pid}/maps")).map_err(|error| {
        // The process ended while it was read.
        if error.raw_os_error() == Some(libc::ESRCH) {
            io::ErrorKind::NotFound.into()
        } else {
            error
        }
    })?;
    let mut directories = Directories::default();
    let mut found = Mappings::default();
    let mut seen = HashSet::new();
    // The path is the one that the process sees, and its root may differ from ours.
    let views = [
        ("self".to_owned(), PathBuf::from("/")),
        (pid.to_string(), PathBuf::from(format!("/proc/{pid}/root"))),
    ]
    .map(|(of, root)| (root, LazyCell::new(move || Mounts::of(&of))));
    for line in maps.split(|&byte| byte == b'\n') {
        let Some(mapping) = Mapping::parse(line).filter(Mapping::is_for_writing) else {
            continue;
        };
        let Mapping { path, inode, .. } = mapping;
        // The name is checked first, so that unrelated files are not touched.
        let is_ours = was_nameless(path) || wanted(mapping.deleted().unwrap_or(path));
        if !is_ours || !seen.insert(inode) {
            continue;
        }
        let relative = path.strip_prefix("/").unwrap_or(path);
        let (mut hung, mut is_removed) = (None, mapping.deleted().is_some());
        let file = views.iter().find_map(|(root, mounts)| {
            if reach == Reach::Local
                && let Err(server) = mounts.server_on_the_way(root, relative)
            {
                hung = server.or(hung.take());
                return None;
            }
            let path = root.join(relative);
            if was_nameless(&path) {
                let listed = directories.name(path.parent()?, inode);
                is_removed &= listed.is_ok();
                listed.ok().flatten()
            } else {
                let is_it = path
                    .symlink_metadata()
                    .is_ok_and(|found| found.ino() == inode);
                is_it.then_some(path)
            }
        });
        match (file, hung) {
            (Some(path), _) if wanted(&path) => found.named.push(MappedFile { path, inode }),
            (None, Some(server)) => {
                let skipped = (path.parent().unwrap_or(path).to_owned(), server);
                if !found.skipped.contains(&skipped) {
                    found.skipped.push(skipped);
                }
            }
            (None, None) if is_removed && mapping.is_removed(pid, &maps, &wanted) => {
                found.add_removed(pid, &mapping);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Returns the files below `root` that were removed and are still written, if `wanted` returns true for the path of
/// those that were created with a name.
pub fn removed(root: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<RemovedMappings> {
    let found = processes().into_iter().flat_map(|pid| {
        let mapped = mapped(pid, Reach::Local, &wanted).unwrap_or_default();
        mapped.removed
    });
    found
        .filter(|removed| removed.directory.starts_with(root))
        .collect()
}

impl Mappings {
    fn add_removed(&mut self, pid: u32, mapping: &Mapping<'_>) {
        let directory = mapping.path.parent().unwrap_or(Path::new("/"));
        let file = mapping.link(pid);
        match (self.removed.iter_mut()).find(|removed| removed.directory == directory) {
            Some(removed) => removed.files.push(file),
            None => self.removed.push(RemovedMappings {
                directory: directory.to_owned(),
                pid,
                files: vec![file],
            }),
        }
    }
}

/// Returns whether a path is a link of /proc to a mapped file: `/proc/812/map_files/7f…-7f…`. Such a link leads to
/// the file itself, whatever now has the name that the file had.
pub fn is_map_file(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("/proc") else {
        return false;
    };
    let mut parts = below.iter().map(OsStr::as_bytes);
    let pid = |pid: &[u8]| pid.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(pid)
        && parts.next() == Some(b"map_files")
        && parts.next().is_some()
        && parts.next().is_none()
}

/// Returns whether a path in `maps` belongs to a file that had no name when it was opened: `#123 (deleted)`.
fn was_nameless(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b"#") && name.ends_with(b" (deleted)")
}

/// Listings of directories: names by inode number.
#[derive(Default)]
struct Directories(HashMap<PathBuf, HashMap<u64, OsString>>);

impl Directories {
    /// Returns the path of an inode in a directory; `None` if it is not there.
    ///
    /// # Errors
    /// If the directory exists and cannot be listed.
    fn name(&mut self, directory: &Path, inode: u64) -> io::Result<Option<PathBuf>> {
        if !self.0.contains_key(directory) {
            let listing = match fs::read_dir(directory) {
                Ok(entries) => (entries.flatten())
                    .map(|entry| (entry.ino(), entry.file_name()))
                    .collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
                Err(error) => return Err(error),
            };
            self.0.insert(directory.to_owned(), listing);
        }
        let name = self.0[directory].get(&inode);
        Ok(name.map(|name| directory.join(name)))
    }
}

/// Returns the path and the inode of a line of `maps`, if it is of a file that is mapped for writing.
pub(in crate::sys) fn shared_for_writing(line: &[u8]) -> Option<(&Path, u64)> {
    let mapping = Mapping::parse(line).filter(Mapping::is_for_writing)?;
    Some((mapping.path, mapping.inode))
}

/// A line of `maps` with a path: `7f…-7f… rw-s 00000000 00:1a 12345    /run/app/…`.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    range: &'a str,
    permissions: &'a str,
    inode: u64,
    path: &'a Path,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a [u8]) -> Option<Mapping<'a>> {
        let mut rest = line;
        let mut word = || {
            rest = rest.trim_ascii_start();
            let end = rest
                .iter()
                .position(|&byte| byte == b' ')
                .unwrap_or(rest.len());
            let word;
            (word, rest) = rest.split_at(end);
            std::str::from_utf8(word).ok()
        };
        let (range, permissions, _, _, inode) = (word()?, word()?, word()?, word()?, word()?);
        let path = rest.trim_ascii_start();
        path.starts_with(b"/").then_some(Mapping {
            range,
            permissions,
            inode: inode.parse().ok()?,
            path: Path::new(OsStr::from_bytes(path)),
        })
    }

    /// Returns whether the mapping is shared and for writing.
    fn is_for_writing(&self) -> bool {
        self.permissions.starts_with("rw-s")
    }

    /// Returns the path of a file that has lost its name, or never had one.
    fn deleted(&self) -> Option<&'a Path> {
        let path = self.path.as_os_str().as_bytes();
        let path = path.strip_suffix(b" (deleted)")?;
        Some(Path::new(OsStr::from_bytes(path)))
    }

    /// Returns the path at which the file is found while it is mapped.
    fn link(&self, pid: u32) -> PathBuf {
        format!("/proc/{pid}/map_files/{}", self.range).into()
    }

    /// Returns whether the mapping is of a stats file without a name, that is, one no longer in its directory.
    fn is_removed(&self, pid: u32, maps: &[u8], wanted: impl Fn(&Path) -> bool) -> bool {
        match fs::metadata(self.link(pid)) {
            // The file has another name.
            Ok(found) if found.nlink() > 0 => return false,
            // Only root may ask.
            _ => {}
        }
        // A file that was created without a name may be anybody's. Writers also have their root's lock file mapped,
        // which identifies it.
        let lock = (self.path.parent().and_then(Path::parent)).map(|root| root.join(LOCK_FILE));
        let is_lock = |line| {
            let mapping = Mapping::parse(line);
            mapping
                .is_some_and(|other| Some(other.deleted().unwrap_or(other.path)) == lock.as_deref())
        };
        if was_nameless(self.path) {
            maps.split(|&byte| byte == b'\n').any(is_lock) || begins_as_stats_file(&self.link(pid))
        } else {
            self.deleted().is_some_and(wanted)
        }
    }
}

/// Returns whether a file can be read and begins with the magic bytes.
fn begins_as_stats_file(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut read = || fs::File::open(path)?.read_exact(&mut start);
    is_file && read().is_ok() && start == MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_taken_apart() {
        let line = |line: &'static str| {
            let mapping = Mapping::parse(line.as_bytes()).filter(Mapping::is_for_writing);
            mapping.map(|mapping| (mapping.path, mapping.inode, mapping.range))
        };
        assert_eq!(
            line("7f00-7f01 rw-s 00000000 00:1a 4711                       /run/a b/m"),
            Some((Path::new("/run/a b/m"), 4711, "7f00-7f01"))
        );
        for other in [
            "7f00-7f01 r--s 00000000 00:1a 4711 /run/read",
            "7f00-7f01 rw-p 00000000 00:1a 4711 /run/private",
            "7f00-7f01 rw-s 00000000 00:00 0",
            "7f00-7f01 rw-p 00000000 00:00 0 [heap]",
            "",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn only_links_of_proc_to_mapped_files_are_followed() {
        assert!(is_map_file(Path::new("/proc/812/map_files/7f00-7f01")));
        for other in [
            "/proc/812/root/proc/1/map_files/7f00-7f01",
            "/proc/self/map_files/7f00-7f01",
            "/proc/812/map_files/a/b",
            "/proc/812/map_files",
            "/run/proc/812/map_files/7f00-7f01",
        ] {
            assert!(!is_map_file(Path::new(other)), "{other}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_mappings_of_this_process_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mapped");
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.set_len(4096).unwrap();
        let map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
        let pid = std::process::id();
        let ours = |candidate: &Path| candidate == path;
        for reach in [Reach::All, Reach::Local] {
            assert_eq!(mapped(pid, reach, ours).unwrap().named[0].path, path);
        }
        assert!(processes().contains(&pid));
        fs::remove_file(&path).unwrap();
        let ours = |candidate: &Path| candidate.starts_with(directory.path());
        let found = mapped(pid, Reach::All, ours).unwrap();
        assert_eq!(found.named, []);
        assert_eq!(found.removed[0].directory, directory.path());
        assert_eq!(removed(directory.path(), ours), found.removed);
        drop(map);
        assert_eq!(
            mapped(u32::MAX, Reach::All, |_| true).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
