//! Which files are there: `<root>/<model>/<file>`, and those of python-mmstats, `<root>/<file>`.
//!
//! Every snapshot lists the directories again. Of a file that is known, its name and the inode number
//! in the listing are enough: nobody else can have that number while it is open or mapped, and one
//! that is neither is compared when it is opened again.

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
use super::source::Trouble;
use super::text::matches;
use crate::Error;
use crate::format::retired::RETIRED_FILE;
use crate::sys::lifecycle::paths;
use crate::sys::memory::hashing::{RandomState, random_state};
use crate::sys::memory::read_map::{self, DirEntryExt, Stat};
use crate::sys::process::identity::LOCK_FILE;

pub use self::copies::without_copies;

/// Where a reader looks.
#[derive(Debug)]
pub enum Location {
    /// Into the roots that the environment names, or the usual ones: those that are there.
    Environment,
    /// Into a root or a model's directory: which one, each listing shows.
    Tree(PathBuf),
    /// At one file.
    File(PathBuf),
    /// At some files, whether they are there or not.
    Files(Vec<PathBuf>),
    /// At what a process has mapped; when it is gone, at what was found before, or what has its number.
    Process(u32),
    /// At what any process has mapped that may be looked at.
    Processes,
}

/// The files of one directory that are being read.
#[derive(Debug)]
pub struct ScannedDirectory {
    root: Arc<Path>,
    files: HashMap<OsString, Known, RandomState>,
    /// Files whose names others have now.
    replaced: Vec<OpenFile>,
    retired: RetiredFile,
    /// The number of the last scan that saw it.
    seen: u64,
    /// Whether all of it is read, and not one file only.
    listed: bool,
}

/// What is needed to read a file.
#[derive(Debug)]
pub struct Tools<'a> {
    /// The plans that are in use.
    pub plans: &'a mut Plans,
    /// Memory to copy into.
    pub scratch: &'a mut Scratch,
    /// What went wrong so far.
    pub problems: &'a mut Vec<Problem>,
}

#[derive(Debug)]
struct Known {
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
    /// Those of the last snapshot that are no longer there or have been replaced; see
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

/// Whether a directory is a model's, by its listing: stats files lie in it, or files only. (The lock is
/// in roots only, and files of python-mmstats are taken as lying in one.)
fn is_model(path: &Path, found: &[Found]) -> bool {
    let any = |test: &dyn Fn(&Found) -> bool| found.iter().any(test);
    let stats = |found: &Found| {
        !found.is_directory() && found.name.as_encoded_bytes().starts_with(b"mmstats-")
    };
    any(&stats)
        || (!found.is_empty()
            && !any(&Found::is_directory)
            && !any(&Found::is_flat)
            && Stat::of_path(&path.join(LOCK_FILE)).is_err())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

impl Files {
    /// Brings the files up to date with what is there now. What cannot be read is one problem each.
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
                let stat =
                    Stat::of_path(path).map_err(|error| Error::io(path, "find the file", error))?;
                self.scan_file(path, stat.identity.1, tools);
            }
            Location::Files(paths) => {
                for path in paths {
                    if let Ok(stat) = Stat::of_path(path) {
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
        // Only directories are models; what else lies in a root is nobody's business, but for files of
        // python-mmstats.
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

    /// Prepares for a directory that may be a model's, before it is listed.
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

    /// A directory that was [entered](Self::enter), and then listed.
    fn scan_model(&mut self, path: &Path, mut found: Vec<Found>, tools: &mut Tools<'_>) {
        let scan = self.scan;
        let directory = self.directories.get_mut(path).expect("entered");
        (directory.seen, directory.listed) = (scan, true);
        // That one is looked at by its name.
        found.retain(|found| found.name != RETIRED_FILE);
        directory.take_in(path, found, scan, tools);
    }

    /// The files of python-mmstats among those that were found in a directory.
    fn scan_flat(&mut self, path: &Path, found: Vec<Found>, tools: &mut Tools<'_>) {
        for file in found.into_iter().filter(Found::is_flat) {
            self.scan_file(&path.join(&file.name), file.inode, tools);
        }
    }

    /// A file by itself, whatever lies beside it.
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

    /// After all files were read: leaves out those that were folded into retired ones. False: so many
    /// were meanwhile that it cannot be said which; start over.
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

    /// All files that are not left out, in the order of their creation.
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

/// Files in the order of their creation; of one instant: of their paths.
fn in_order<'a>(files: impl Iterator<Item = &'a mut Box<OpenFile>>) -> Vec<&'a mut OpenFile> {
    // (The time beside the file, so that to compare two needs no look into either.)
    let mut files: Vec<_> = files
        .map(|file| (file.header.created, &mut **file))
        .collect();
    files.sort_unstable_by(|(a, file), (b, other)| {
        a.cmp(b).then_with(|| file.path.cmp(&other.path))
    });
    files.into_iter().map(|(_, file)| file).collect()
}

impl ScannedDirectory {
    /// Opens what is new among the files that were found, and notes what is still there.
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
        // By their numbers files are in the order of their creation, nearly. They are read and merged in
        // that order: so what belongs to them lies in memory as it is gone through.
        found.sort_unstable_by_key(|found| found.inode);
        let private = Stat::of_path(path).is_ok_and(|stat| stat.is_private());
        for found in found {
            let file = path.join(&found.name);
            match open(file.clone(), &self.root, private, &found.kind) {
                Ok(file) => {
                    let known = Known {
                        inode: found.inode,
                        seen: scan,
                        file: Box::new(file),
                    };
                    let replaced = self.files.insert(found.name, known);
                    let other = replaced.filter(|old| old.inode != found.inode);
                    self.replaced.extend(other.map(|old| *old.file));
                }
                // Removed since the listing.
                Err(Trouble::Gone) => {}
                Err(Trouble::Bad(problem)) => tools.problems.push(Problem::new(&file, problem)),
            }
        }
    }
}

impl Tools<'_> {
    fn cannot_list(&mut self, path: &Path, error: &io::Error) {
        // Removed just now: no problem.
        if error.kind() != io::ErrorKind::NotFound {
            let problem = Problem::new(path, format!("cannot list it: {error}"));
            self.problems.push(problem);
        }
    }

    /// Whether the values of a file could be read now.
    fn read(&mut self, file: &mut OpenFile) -> bool {
        match file.refresh(self.plans, self.scratch) {
            Ok(()) => {
                let problems = file.contents.problems.iter();
                (self.problems).extend(problems.map(|problem| Problem::new(&file.path, problem)));
                true
            }
            Err(Trouble::Gone) => false,
            Err(Trouble::Bad(problem)) => {
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
) -> Result<OpenFile, Trouble> {
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
    OpenFile::open(path, root, private)
}
