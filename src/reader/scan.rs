//! Finds the files: `<root>/<model>/<file>`, and those of python-mmstats, `<root>/<file>`.
//!
//! Every snapshot lists the directories again. A known file is recognized by its name and its inode number in
//! the listing. No other file can have that number while it is open or mapped; a file that is neither is
//! compared when it is opened again.

mod compare;
mod copies;
pub(super) mod processes;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copy::Scratch;
use super::file::OpenFile;
use super::plan::Plans;
use super::retired::RetiredFile;
use super::snapshot::Problem;
use super::source::ReadError;
use super::text::matches;
use crate::Error;
use crate::format::retired::RETIRED_FILE;
use crate::sys::lifecycle::paths;
use crate::sys::memory::hashing::{RandomState, random_state};
use crate::sys::memory::read_map::{self, DirEntryExt, FileStat};
use crate::sys::process::identity::LOCK_FILE;

pub use self::copies::without_copies;

/// Where a reader looks.
#[derive(Debug)]
pub enum Location {
    /// In the roots that the environment names, or the usual ones, as far as they exist.
    Environment,
    /// In a root or a model's directory. Each listing shows which of the two it is.
    Tree(PathBuf),
    /// At one file, which must exist.
    File(PathBuf),
    /// At some files, which need not exist.
    Files(Vec<PathBuf>),
    /// At the files that a process has mapped. Once it has ended: at the files that were found before, or
    /// else those with its pid in their names.
    Process(u32),
    /// At the files that any process has mapped that this user may inspect.
    Processes,
}

/// The files of one directory that are being read.
#[derive(Debug)]
pub struct ScannedDirectory {
    root: Arc<Path>,
    files: HashMap<OsString, KnownFile, RandomState>,
    /// Files whose names other files have now.
    replaced: Vec<OpenFile>,
    retired: RetiredFile,
    /// The number of the last scan that saw it.
    seen: u64,
    /// Whether the whole directory is read, and not only single files.
    listed: bool,
}

/// What is needed to read a file.
#[derive(Debug)]
pub struct Tools<'a> {
    /// The plans that are in use.
    pub plans: &'a mut Plans,
    /// Buffers for copying.
    pub scratch: &'a mut Scratch,
    /// The problems so far.
    pub problems: &'a mut Vec<Problem>,
}

#[derive(Debug)]
struct KnownFile {
    inode: u64,
    /// The number of the last scan that saw it.
    seen: u64,
    file: Box<OpenFile>,
}

/// All files that are being read, by directory.
#[derive(Debug, Default)]
pub struct Files {
    directories: HashMap<PathBuf, ScannedDirectory>,
    scan: u64,
    /// Files of the last snapshot that no longer exist or have been replaced; see
    /// [`keep_values`](Self::keep_values).
    gone: Vec<OpenFile>,
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

    /// Returns whether it has a name like those of python-mmstats.
    fn is_flat(&self) -> bool {
        !self.is_directory() && matches(paths::flat_names(), &self.name.to_string_lossy())
    }
}

/// Lists the entries of a directory, except those whose names begin with a dot: `.lock`, and files in the
/// making.
fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            found.push(Found {
                name,
                inode: entry.ino(),
                kind: entry.file_type(),
            });
        }
    }
    Ok(found)
}

/// Returns whether a directory is a model's, by its listing: it contains stats files, or only files. (Only
/// roots contain the lock, and a directory with files of python-mmstats counts as a root.)
fn is_model(path: &Path, found: &[Found]) -> bool {
    let any = |test: &dyn Fn(&Found) -> bool| found.iter().any(test);
    let stats = |found: &Found| {
        !found.is_directory() && found.name.as_encoded_bytes().starts_with(b"mmstats-")
    };
    any(&stats)
        || (!found.is_empty()
            && !any(&Found::is_directory)
            && !any(&Found::is_flat)
            && FileStat::of_path(&path.join(LOCK_FILE)).is_err())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

impl Files {
    /// Updates the known files from the directories. Each file or directory that cannot be read is reported
    /// as a problem.
    pub fn scan(&mut self, place: &Location, tools: &mut Tools<'_>) -> Result<(), Error> {
        self.scan += 1;
        match place {
            Location::Environment => {
                for root in paths::reader_roots() {
                    let root = match root {
                        Ok(root) => root,
                        Err(error) => {
                            tools.problems.push(Problem::of_root(error));
                            continue;
                        }
                    };
                    match list(&root) {
                        Ok(found) => self.scan_root(&root, found, tools),
                        Err(error) => tools.cannot_list(&root, &error),
                    }
                }
                if let Some(directory) = paths::flat_directory()
                    && let Ok(found) = list(&directory)
                {
                    self.scan_flat(&directory, found, tools);
                }
            }
            Location::Tree(path) => {
                self.enter(path, &parent(path), tools);
                let found =
                    list(path).map_err(|error| Error::io(path, "list the directory", error))?;
                if is_model(path, &found) {
                    self.scan_model(path, found, tools);
                } else {
                    self.scan_root(path, found, tools);
                }
            }
            Location::File(path) => {
                let stat = FileStat::of_path(path)
                    .map_err(|error| Error::io(path, "find the file", error))?;
                self.scan_file(path, stat.identity.1, tools);
            }
            Location::Files(paths) => {
                for path in paths {
                    if let Ok(stat) = FileStat::of_path(path) {
                        self.scan_file(path, stat.identity.1, tools);
                    }
                }
            }
            Location::Process(pid) => self.scan_process(*pid, tools)?,
            Location::Processes => self.scan_processes(tools),
        }
        let (scan, gone) = (self.scan, &mut self.gone);
        self.directories.retain(|_, directory| {
            let unseen = directory.files.extract_if(|_, known| known.seen != scan);
            gone.extend(
                unseen
                    .map(|(_, known)| *known.file)
                    .chain(directory.replaced.drain(..)),
            );
            directory.seen == scan
        });
        gone.retain(|file| file.before.is_some());
        Ok(())
    }

    fn scan_root(&mut self, root: &Path, found: Vec<Found>, tools: &mut Tools<'_>) {
        // Only directories are models. Other entries of a root are ignored, except files of python-mmstats.
        let (models, files): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_directory);
        self.scan_flat(root, files, tools);
        for model in models {
            let path = root.join(&model.name);
            self.enter(&path, root, tools);
            match list(&path) {
                Ok(found) => self.scan_model(&path, found, tools),
                Err(error) => tools.cannot_list(&path, &error),
            }
        }
    }

    /// Looks at the retired file of a directory that may be a model's, before the directory is listed.
    fn enter(&mut self, path: &Path, root: &Path, tools: &mut Tools<'_>) {
        let directory = self.directory(path, root);
        (directory.retired).before(path, &directory.root, tools.plans, tools.scratch);
    }

    fn directory(&mut self, path: &Path, root: &Path) -> &mut ScannedDirectory {
        if !self.directories.contains_key(path) {
            let directory = ScannedDirectory {
                root: root.into(),
                files: HashMap::with_hasher(random_state()),
                replaced: Vec::new(),
                retired: RetiredFile::default(),
                seen: 0,
                listed: false,
            };
            self.directories.insert(path.to_owned(), directory);
        }
        self.directories.get_mut(path).expect("just inserted")
    }

    /// Scans a directory that was [entered](Self::enter) and then listed.
    fn scan_model(&mut self, path: &Path, mut found: Vec<Found>, tools: &mut Tools<'_>) {
        let scan = self.scan;
        let directory = self.directories.get_mut(path).expect("entered");
        (directory.seen, directory.listed) = (scan, true);
        // The retired file is opened by its name.
        found.retain(|found| found.name != RETIRED_FILE);
        directory.take_in(path, found, scan, tools);
    }

    /// Scans the files of python-mmstats among those that were found in a directory.
    fn scan_flat(&mut self, path: &Path, found: Vec<Found>, tools: &mut Tools<'_>) {
        for file in found.into_iter().filter(Found::is_flat) {
            self.scan_file(&path.join(&file.name), file.inode, tools);
        }
    }

    /// Scans a single file, regardless of others in its directory.
    fn scan_file(&mut self, path: &Path, inode: u64, tools: &mut Tools<'_>) {
        let found = Found {
            name: path.file_name().unwrap_or(OsStr::new("")).to_owned(),
            inode,
            kind: read_map::metadata(path).map(|metadata| metadata.file_type()),
        };
        let (scan, path) = (self.scan, parent(path));
        let directory = self.directory(&path, &parent(&path));
        directory.seen = scan;
        directory.take_in(&path, vec![found], scan, tools);
    }

    /// Reads the values of all files.
    pub fn read(&mut self, tools: &mut Tools<'_>) {
        let files =
            (self.directories.values_mut()).flat_map(|directory| directory.files.values_mut());
        for file in in_order(files.map(|known| &mut known.file)) {
            file.left_out = !tools.read(file);
        }
    }

    /// Leaves out the files that were folded into retired ones; called after all files were read. Returns
    /// false if so many were folded meanwhile that the retired file no longer names them all. Then the caller
    /// must start over.
    pub fn retire(&mut self, tools: &mut Tools<'_>) -> bool {
        let mut known = true;
        for (path, directory) in &mut self.directories {
            let ScannedDirectory {
                root,
                files,
                retired,
                listed: true,
                ..
            } = directory
            else {
                continue;
            };
            known &= retired.after(path, root, tools.plans, tools.scratch, tools.problems);
            for file in files.values_mut().map(|known| &mut known.file) {
                if file.contents.retired.is_some() && !file.left_out {
                    file.left_out = true;
                    let problem = format!(
                        "totals of ended processes, which count only under the name \
                         {RETIRED_FILE}: not read; move it away"
                    );
                    tools.problems.push(Problem::new(&file.path, problem));
                }
                file.left_out |= retired.names(file);
            }
        }
        known
    }

    /// Returns all files that are not left out, in the order of their creation.
    pub fn in_order(&mut self) -> Vec<&mut OpenFile> {
        in_order((self.directories.values_mut()).flat_map(|directory| {
            let files = directory.files.values_mut().map(|known| &mut known.file);
            let files = files.filter(|file| !file.left_out);
            files.chain(
                directory
                    .retired
                    .file
                    .iter_mut()
                    .filter(|_| directory.listed),
            )
        }))
    }
}

/// Sorts files by creation time, then by path.
fn in_order<'a>(files: impl Iterator<Item = &'a mut Box<OpenFile>>) -> Vec<&'a mut OpenFile> {
    // (The time is copied beside the reference, so that comparing two files does not load either.)
    let mut files: Vec<_> = files
        .map(|file| (file.header.created, &mut **file))
        .collect();
    files.sort_unstable_by(|(a, file), (b, other)| {
        a.cmp(b).then_with(|| file.path.cmp(&other.path))
    });
    files.into_iter().map(|(_, file)| file).collect()
}

impl ScannedDirectory {
    /// Opens the new files among those that were found, and marks the known ones as seen.
    fn take_in(&mut self, path: &Path, mut found: Vec<Found>, scan: u64, tools: &mut Tools<'_>) {
        found.retain(|found| match self.files.get_mut(&found.name) {
            Some(known) if known.inode == found.inode && !known.file.is_spoiled() => {
                known.seen = scan;
                false
            }
            _ => true,
        });
        if found.is_empty() {
            return;
        }
        // The order of inode numbers is nearly the order of creation, in which files are read and merged. So
        // their data lies in memory in the order in which it is used.
        found.sort_unstable_by_key(|found| found.inode);
        let private = FileStat::of_path(path).is_ok_and(|stat| stat.is_private());
        for found in found {
            let file = path.join(&found.name);
            match open(file.clone(), &self.root, private, &found.kind) {
                Ok(file) => {
                    let known = KnownFile {
                        inode: found.inode,
                        seen: scan,
                        file: Box::new(file),
                    };
                    let replaced = self.files.insert(found.name, known);
                    let other = replaced.filter(|old| old.inode != found.inode);
                    self.replaced.extend(other.map(|old| *old.file));
                }
                // Removed since the listing.
                Err(ReadError::Gone) => {}
                Err(ReadError::Bad(problem)) => tools.problems.push(Problem::new(&file, problem)),
            }
        }
    }
}

impl Tools<'_> {
    fn cannot_list(&mut self, path: &Path, error: &io::Error) {
        // Removed just now: not a problem.
        if error.kind() != io::ErrorKind::NotFound {
            let problem = Problem::new(path, format!("cannot list it: {error}"));
            self.problems.push(problem);
        }
    }

    /// Reads the values of a file. Returns whether that succeeded.
    fn read(&mut self, file: &mut OpenFile) -> bool {
        match file.refresh(self.plans, self.scratch) {
            Ok(()) => {
                let problems = file.contents.problems.iter();
                (self.problems).extend(problems.map(|problem| Problem::new(&file.path, problem)));
                true
            }
            Err(ReadError::Gone) => false,
            Err(ReadError::Bad(problem)) => {
                self.problems.push(Problem::new(&file.path, problem));
                false
            }
        }
    }
}

fn open(
    path: PathBuf,
    root: &Arc<Path>,
    private: bool,
    kind: &io::Result<std::fs::FileType>,
) -> Result<OpenFile, ReadError> {
    // Known not to be a regular file. It is not even opened, because opening a device may have effects.
    if let Ok(kind) = kind
        && !kind.is_file()
    {
        let what = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_symlink() => "a symbolic link",
            () => "a FIFO, socket or device",
        };
        return Err(ReadError::Bad(format!("{what}, not a regular file")));
    }
    OpenFile::open(path, root, private)
}
