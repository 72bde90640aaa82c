//! Which files other processes have mapped for writing, from /proc: how stats files are found whatever
//! their root. Where there is no /proc there is nothing to find.

mod mounts;

use std::cell::LazyCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use self::mounts::Mounts;

/// A file that a process has mapped, shared and for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Where it is found from here.
    pub path: PathBuf,
    /// Its inode number.
    pub inode: u64,
}

/// The files that a process has mapped, and those that were not looked at.
#[derive(Debug, Default)]
pub struct Mappings {
    /// Each once.
    pub files: Vec<Mapped>,
    /// Their directories, as the process sees them, and the type of the file system that may hang.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Which files of a process are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All: the process was named.
    All,
    /// Only those that can be reached without asking a server (FUSE, NFS …). The server may be a user's
    /// program, and who asks one that does not answer cannot even be killed.
    Local,
}

/// The processes that there are.
pub fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// The files that a process has mapped, if `wanted` is true of the name. Those that have no name any more
/// are left out.
///
/// A file that was made without a name (O_TMPFILE) and linked later is there under none: it is looked
/// for in the directory that it was made in, by its inode number.
///
/// # Errors
/// `NotFound` if there is no such process, `PermissionDenied` if it is not for this user to look at.
pub fn mapped(pid: u32, reach: Reach, wanted: impl Fn(&Path) -> bool) -> io::Result<Mappings> {
    let maps = fs::read(format!("/proc/{pid}/maps")).map_err(|error| {
        // A process that ends while it is read.
        if error.raw_os_error() == Some(libc::ESRCH) {
            io::ErrorKind::NotFound.into()
        } else {
            error
        }
    })?;
    let mut directories = Directories::default();
    let mut found = Mappings::default();
    // The path is as that process sees it; its root may be another one.
    let views = [
        ("self".to_owned(), PathBuf::from("/")),
        (pid.to_string(), PathBuf::from(format!("/proc/{pid}/root"))),
    ]
    .map(|(of, root)| (root, LazyCell::new(move || Mounts::of(&of))));
    for line in maps.split(|&byte| byte == b'\n') {
        let Some((path, inode)) = shared_for_writing(line) else {
            continue;
        };
        let known = found.files.iter().any(|mapped| mapped.inode == inode);
        // The name first: files that are none of ours are not touched.
        if known || !was_nameless(path) && !wanted(path) {
            continue;
        }
        let relative = path.strip_prefix("/").unwrap_or(path);
        let mut hung = None;
        let file = views.iter().find_map(|(root, mounts)| {
            if reach == Reach::Local
                && let Err(server) = mounts.server_on_the_way(root, relative)
            {
                hung = server.or(hung.take());
                return None;
            }
            let path = root.join(relative);
            if was_nameless(&path) {
                directories.name(path.parent()?, inode)
            } else {
                let is_it = path
                    .symlink_metadata()
                    .is_ok_and(|found| found.ino() == inode);
                is_it.then_some(path)
            }
        });
        match (file.filter(|path| wanted(path)), hung) {
            (Some(path), _) => found.files.push(Mapped { path, inode }),
            (None, Some(server)) => {
                let skipped = (path.parent().unwrap_or(path).to_owned(), server);
                if !found.skipped.contains(&skipped) {
                    found.skipped.push(skipped);
                }
            }
            (None, None) => {}
        }
    }
    Ok(found)
}

/// The directories below `root` in which files lay that processes write and that have no name any
/// more, with the pid.
pub fn unlinked(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut directories = Directories::default();
    for pid in processes() {
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        for line in maps.split(|&byte| byte == b'\n') {
            let Some((path, inode)) = shared_for_writing(line) else {
                continue;
            };
            let Some(directory) = path
                .parent()
                .filter(|directory| directory.starts_with(root))
            else {
                continue;
            };
            let deleted = path.as_os_str().as_bytes().ends_with(b" (deleted)");
            if deleted && directories.name(directory, inode).is_none() {
                found.push((directory.to_owned(), pid));
            }
        }
    }
    found.dedup();
    found
}

/// Whether a path in `maps` is that of a file that had no name when it was opened: `#123 (deleted)`.
fn was_nameless(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b"#") && name.ends_with(b" (deleted)")
}

/// The listings of some directories: names by inode number.
#[derive(Default)]
struct Directories(HashMap<PathBuf, HashMap<u64, OsString>>);

impl Directories {
    fn name(&mut self, directory: &Path, inode: u64) -> Option<PathBuf> {
        let listing = self.0.entry(directory.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| (entry.ino(), entry.file_name()))
                .collect()
        });
        listing.get(&inode).map(|name| directory.join(name))
    }
}

/// The path and the inode of a line of `maps`: `7f…-7f… rw-s 00000000 00:1a 12345    /run/app/…`.
pub(super) fn shared_for_writing(line: &[u8]) -> Option<(&Path, u64)> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_ascii_start();
        let end = rest
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(rest.len());
        let word;
        (word, rest) = rest.split_at(end);
        word
    };
    let (_, permissions, _, _, inode) = (word(), word(), word(), word(), word());
    let path = rest.trim_ascii_start();
    let fits = permissions.starts_with(b"rw-s") && path.starts_with(b"/");
    let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
    fits.then(|| (Path::new(std::ffi::OsStr::from_bytes(path)), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_taken_apart() {
        let line = |line: &'static str| shared_for_writing(line.as_bytes());
        assert_eq!(
            line("7f00-7f01 rw-s 00000000 00:1a 4711                       /run/a b/m"),
            Some((Path::new("/run/a b/m"), 4711))
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
            assert_eq!(mapped(pid, reach, ours).unwrap().files[0].path, path);
        }
        assert!(processes().contains(&pid));
        fs::remove_file(&path).unwrap();
        assert_eq!(
            mapped(pid, Reach::All, |path| path.starts_with(directory.path()))
                .unwrap()
                .files,
            []
        );
        drop(map);
        assert_eq!(
            mapped(u32::MAX, Reach::All, |_| true).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
