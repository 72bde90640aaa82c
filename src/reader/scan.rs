//! Which files are there: `<root>/<model>/<file>`, and those of python-mmstats, `<root>/<file>`.
//!
//! Every snapshot lists the directories again. Of a file that is known, its name and the inode number
//! in the listing are enough: nobody else can have that number while it is open or mapped, and one
//! that is neither is compared when it is opened again.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::StatsFile;
use super::snapshot::Problem;
use super::source::Trouble;
use super::text::matches;
use crate::Error;
use crate::sys::identity::LOCK_FILE;
use crate::sys::paths;
use crate::sys::proc::{self, Mapped};
use crate::sys::view::Stat;

/// Where a reader looks.
#[derive(Debug)]
pub enum Place {
    /// Into the roots that the environment names, or the usual ones: those that are there.
    Environment,
    /// Into a root or a model's directory: which one, each listing shows.
    Tree(PathBuf),
    /// At one file.
    File(PathBuf),
    /// At what a process has mapped; when it is gone, at what was found before, or what has its number.
    Process(u32),
    /// At what any process has mapped that may be looked at.
    Processes,
}

/// The files of one directory that are being read.
#[derive(Debug)]
pub struct Directory {
    root: Arc<Path>,
    files: HashMap<OsString, Known>,
}

#[derive(Debug)]
struct Known {
    inode: u64,
    /// The number of the last scan that saw it.
    seen: u64,
    file: Box<StatsFile>,
}

/// All files that are being read, by directory.
#[derive(Debug, Default)]
pub struct Files {
    directories: HashMap<PathBuf, Directory>,
    scan: u64,
    /// Those that the last scan no longer found.
    pub gone: Vec<StatsFile>,
}

/// An entry of a listing.
struct Found {
    name: OsString,
    inode: u64,
    kind: io::Result<std::fs::FileType>,
}

impl Found {
    fn is_directory(&self) -> bool {
        self.kind.as_ref().is_ok_and(std::fs::FileType::is_dir)
    }

    /// Whether it is named as python-mmstats names its files.
    fn is_flat(&self) -> bool {
        !self.is_directory() && matches(paths::flat_names(), &self.name.to_string_lossy())
    }
}

/// The entries of a directory but those whose name begins with a dot: `.lock`, and files in the making.
fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_bytes().starts_with(b".") {
            found.push(Found {
                name,
                inode: entry.ino(),
                kind: entry.file_type(),
            });
        }
    }
    Ok(found)
}

/// Whether a directory is a model's, by its listing: stats files lie in it, or files only. (The lock is
/// in roots only, and files of python-mmstats are taken as lying in one.)
fn is_model(path: &Path, found: &[Found]) -> bool {
    let any = |test: &dyn Fn(&Found) -> bool| found.iter().any(test);
    let stats =
        |found: &Found| !found.is_directory() && found.name.as_bytes().starts_with(b"mmstats-");
    any(&stats)
        || (!found.is_empty()
            && !any(&Found::is_directory)
            && !any(&Found::is_flat)
            && Stat::of_path(&path.join(LOCK_FILE)).is_err())
}

/// Whether a file that a process has mapped is named like a stats file.
fn is_stats(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_bytes().starts_with(b"mmstats-")
        || matches(paths::flat_names(), &name.to_string_lossy())
}

fn still(path: PathBuf) -> Option<Mapped> {
    let inode = Stat::of_path(&path).ok()?.identity.1;
    Some(Mapped { path, inode })
}

/// The files in the roots that were made by a process of this number.
fn named_after(pid: u32) -> Vec<Mapped> {
    let ours = format!("mmstats-{pid}-");
    let old = format!("-{pid}-");
    let in_root = |root: PathBuf| {
        let models = list(&root).unwrap_or_default().into_iter();
        let in_model = |found: Found| {
            let path = root.join(&found.name);
            if found.is_flat() && found.name.to_string_lossy().contains(&old) {
                return vec![path];
            }
            let files = list(&path).unwrap_or_default().into_iter();
            files
                .filter(|file| file.name.as_bytes().starts_with(ours.as_bytes()))
                .map(|file| path.join(file.name))
                .collect()
        };
        models.flat_map(in_model).collect::<Vec<_>>()
    };
    let paths = paths::reader_roots().into_iter().flat_map(in_root);
    paths.filter_map(still).collect()
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

impl Files {
    /// Brings the files up to date with what is there now. What cannot be read is one problem each.
    pub fn scan(&mut self, place: &Place, problems: &mut Vec<Problem>) -> Result<(), Error> {
        self.scan += 1;
        self.gone.clear();
        match place {
            Place::Environment => {
                for root in paths::reader_roots() {
                    match list(&root) {
                        Ok(found) => self.scan_root(&root, found, problems),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => {
                            problems.push(Problem::new(&root, format!("cannot list it: {error}")))
                        }
                    }
                }
                if let Some(directory) = paths::flat_directory()
                    && let Ok(mut found) = list(&directory)
                {
                    found.retain(Found::is_flat);
                    self.scan_model(&directory, &directory, found, problems);
                }
            }
            Place::Tree(path) => {
                let found =
                    list(path).map_err(|error| Error::io(path, "list the directory", error))?;
                if is_model(path, &found) {
                    self.scan_model(path, &parent(path), found, problems);
                } else {
                    self.scan_root(path, found, problems);
                }
            }
            Place::File(path) => {
                let stat =
                    Stat::of_path(path).map_err(|error| Error::io(path, "find the file", error))?;
                let directory = parent(path);
                let name = path.file_name().unwrap_or(OsStr::new("")).to_owned();
                let kind = path.symlink_metadata().map(|metadata| metadata.file_type());
                let found = vec![Found {
                    name,
                    inode: stat.identity.1,
                    kind,
                }];
                self.scan_model(&directory, &parent(&directory), found, problems);
            }
            Place::Process(pid) => self.scan_process(*pid, problems)?,
            Place::Processes => {
                for pid in proc::processes() {
                    // Ended meanwhile, or not for this user to look at.
                    self.scan_mapped(proc::mapped(pid, is_stats).unwrap_or_default(), problems);
                }
            }
        }
        self.forget_unseen();
        Ok(())
    }

    fn forget_unseen(&mut self) {
        let (scan, gone) = (self.scan, &mut self.gone);
        self.directories.retain(|_, directory| {
            let unseen = directory.files.extract_if(|_, known| known.seen != scan);
            gone.extend(unseen.map(|(_, known)| *known.file));
            !directory.files.is_empty()
        });
    }

    fn scan_process(&mut self, pid: u32, problems: &mut Vec<Problem>) -> Result<(), Error> {
        match proc::mapped(pid, is_stats) {
            Ok(mapped) => self.scan_mapped(mapped, problems),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut left = self.known();
                if left.is_empty() {
                    left = named_after(pid);
                }
                self.scan_mapped(left, problems);
            }
            Err(error) => {
                let path = PathBuf::from(format!("/proc/{pid}/maps"));
                return Err(Error::io(&path, "find the process's stats files", error));
            }
        }
        Ok(())
    }

    /// Scans these files only, whatever else lies beside them.
    fn scan_mapped(&mut self, mapped: Vec<Mapped>, problems: &mut Vec<Problem>) {
        for Mapped { path, inode } in mapped {
            let (directory, name) = (parent(&path), path.file_name().unwrap_or_default());
            let found = Found {
                name: name.to_owned(),
                inode,
                kind: path.symlink_metadata().map(|metadata| metadata.file_type()),
            };
            self.scan_model(&directory, &parent(&directory), vec![found], problems);
        }
    }

    /// The files that were found before and are still there.
    fn known(&self) -> Vec<Mapped> {
        let files = self
            .directories
            .values()
            .flat_map(|directory| directory.files.values());
        files
            .filter_map(|known| still(known.file.path.to_path_buf()))
            .collect()
    }

    fn scan_root(&mut self, root: &Path, found: Vec<Found>, problems: &mut Vec<Problem>) {
        // Only directories are models; what else lies in a root is nobody's business, but for files of
        // python-mmstats.
        let (models, files): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_directory);
        let flat: Vec<_> = files.into_iter().filter(Found::is_flat).collect();
        if !flat.is_empty() {
            self.scan_model(root, root, flat, problems);
        }
        for model in models {
            let path = root.join(&model.name);
            match list(&path) {
                Ok(found) => self.scan_model(&path, root, found, problems),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    problems.push(Problem::new(&path, format!("cannot list it: {error}")))
                }
            }
        }
    }

    fn scan_model(
        &mut self,
        path: &Path,
        root: &Path,
        found: Vec<Found>,
        problems: &mut Vec<Problem>,
    ) {
        if !self.directories.contains_key(path) {
            let directory = Directory {
                root: root.into(),
                files: HashMap::new(),
            };
            self.directories.insert(path.to_owned(), directory);
        }
        let directory = self.directories.get_mut(path).expect("just inserted");
        // Asked only if there is a new file.
        let mut private = None;
        for found in found {
            if let Some(known) = directory.files.get_mut(&found.name)
                && known.inode == found.inode
                && !known.file.is_spoiled()
            {
                known.seen = self.scan;
                continue;
            }
            let private = *private
                .get_or_insert_with(|| Stat::of_path(path).is_ok_and(|stat| stat.is_private()));
            let file = path.join(&found.name);
            match open(file.clone(), &directory.root, private, &found.kind) {
                Ok(file) => {
                    let known = Known {
                        inode: found.inode,
                        seen: self.scan,
                        file: Box::new(file),
                    };
                    let replaced = directory.files.insert(found.name, known);
                    let other = replaced.filter(|old| old.inode != found.inode);
                    self.gone.extend(other.map(|old| *old.file));
                }
                // Removed since the listing.
                Err(Trouble::Gone) => {}
                Err(Trouble::Bad(problem)) => problems.push(Problem::new(&file, problem)),
            }
        }
    }

    /// All files, in the order of their creation (of one instant: of their paths).
    pub fn in_order(&mut self) -> Vec<&mut StatsFile> {
        let mut files: Vec<_> = self
            .directories
            .values_mut()
            .flat_map(|directory| directory.files.values_mut())
            .map(|known| &mut *known.file)
            .collect();
        files.sort_unstable_by(|a, b| {
            a.header
                .created
                .cmp(&b.header.created)
                .then_with(|| a.path.cmp(&b.path))
        });
        files
    }
}

fn open(
    path: PathBuf,
    root: &Arc<Path>,
    private: bool,
    kind: &io::Result<std::fs::FileType>,
) -> Result<StatsFile, Trouble> {
    // Known to be no file: it is not even opened, for opening a device may do something.
    if let Ok(kind) = kind
        && !kind.is_file()
    {
        let what = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_symlink() => "a symbolic link",
            () => "a FIFO, socket or device",
        };
        return Err(Trouble::Bad(format!("{what}, not a regular file")));
    }
    StatsFile::open(path, root, private)
}
