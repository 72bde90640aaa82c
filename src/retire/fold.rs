//! Folding: adding the totals of files to the retired file of their model.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::Doomed;
use super::totals::RetiredTotals;
use crate::Error;
use crate::format::retired::{FileId, Folded, NAMED, RETIRED_FILE};
use crate::reader::copy::Scratch;
use crate::reader::file::OpenFile;
use crate::reader::plan::Plans;
use crate::reader::source::Trouble;
use crate::sys::lifecycle::directory::{self, Directory};
use crate::sys::lifecycle::directory_lock::{DirectoryLock, FOLD, Patience};
use crate::sys::memory::fallocate::reserve;
use crate::sys::memory::read_map::Stat;

/// The name of the next retired file while it is written. Only the holder of the directory's lock may have one.
const NEXT: &str = ".mmstats-retired";
/// The maximum size of a retired file in bytes: it is rewritten at each step.
const MAX_SIZE: usize = 64 << 20;

/// The result of folding some files.
#[derive(Debug, Default)]
pub struct Folding {
    /// Files that were folded.
    pub folded: Vec<OsString>,
    /// Files that stay as they are, and why.
    pub kept: Vec<(OsString, String)>,
}

/// Folds files of `directory` that nobody writes any more into its retired file, and removes them.
///
/// # Errors
/// If the retired file cannot be read, or a new one cannot be written. Files listed as folded in `folding` are
/// folded even then; the rest is unchanged.
pub fn fold(
    directory: &Directory,
    files: &[Doomed],
    patience: &Patience,
    folding: &mut Folding,
) -> Result<(), Error> {
    let _lock =
        DirectoryLock::take(directory, FOLD, patience).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let busy = io::Error::new(error.kind(), "another process is folding there");
                Error::io(directory.path(), "lock it for folding", busy)
            }
            _ => Error::io(directory.path(), "lock it for folding", error),
        })?;
    for step in files.chunks(NAMED) {
        Step::begin(directory)?.run(step, folding)?;
    }
    Ok(())
}

/// One step: from the present retired file to the next one. Runs under the directory's lock.
struct Step<'a> {
    directory: &'a Directory,
    plans: Plans,
    scratch: Scratch,
    /// The totals of the retired file, if there is one.
    totals: Option<RetiredTotals>,
    /// The owner of the retired file.
    uid: Option<u32>,
}

impl<'a> Step<'a> {
    /// Reads the retired file, and removes files that an earlier step has folded but not removed.
    fn begin(directory: &'a Directory) -> Result<Step<'a>, Error> {
        let mut step = Step {
            directory,
            plans: Plans::default(),
            scratch: Scratch::default(),
            totals: None,
            uid: None,
        };
        let unreadable = |problem| {
            let wanted = "read it: move it away to start a new one";
            let path = directory.path().join(RETIRED_FILE);
            Error::io(&path, wanted, io::Error::other(problem))
        };
        let retired = match step.read(OsStr::new(RETIRED_FILE)) {
            Ok((retired, _)) => retired,
            Err(Trouble::Gone) => return Ok(step),
            Err(Trouble::Bad(problem)) => return Err(unreadable(problem)),
        };
        let totals = RetiredTotals::of(&retired).map_err(unreadable)?;
        step.uid = Some(retired.uid);
        let named = &totals.retired.named;
        for left in &named[named.len() - totals.retired.unseen..] {
            step.remove_left(left)?;
        }
        step.totals = Some(totals);
        Ok(step)
    }

    fn read(&mut self, name: &OsStr) -> Result<(OpenFile, Stat), Trouble> {
        let root: Arc<Path> = self.directory.path().into();
        let opened = (self.directory.file(name)).map_err(|error| Trouble::io("open it", error))?;
        let stat = opened.stat;
        let mut file = OpenFile::of_opened(root.join(name), opened, &root, false)?;
        file.refresh(&mut self.plans, &mut self.scratch)?;
        Ok((file, stat))
    }

    /// Removes a file that was folded, if it is still there.
    fn remove_left(&mut self, left: &Folded) -> Result<(), Error> {
        // The name is untrusted data.
        if left.name.contains('/') || !left.name.starts_with("mmstats-") {
            return Ok(());
        }
        let name = OsStr::new(&left.name);
        let path = self.directory.path().join(name);
        let fail = |error| Error::io(&path, "remove it after folding it", error);
        match self.read(name) {
            Ok((file, _)) if FileId::of(&file.header) == left.id => {
                let identity = file.identity();
                (Doomed {
                    name: name.to_owned(),
                    identity,
                })
                .remove(self.directory)
                .map_err(fail)
            }
            // Gone, or another file by now.
            Ok(_) | Err(Trouble::Gone) => Ok(()),
            Err(Trouble::Bad(problem)) => Err(fail(io::Error::other(problem))),
        }
    }

    fn run(mut self, files: &[Doomed], folding: &mut Folding) -> Result<(), Error> {
        let (mut added, mut ids) = (Vec::new(), HashSet::new());
        for file in files {
            match self.add(file, &mut ids) {
                Ok(Some((id, like))) => added.push((file, id, like)),
                // Gone in the meantime: another process has folded or removed it.
                Ok(None) => {}
                Err(problem) => folding.kept.push((file.name.clone(), problem)),
            }
        }
        let (Some(totals), Some((_, _, like))) = (&mut self.totals, added.first()) else {
            return Ok(());
        };
        let retired = &mut totals.retired;
        retired.unseen = added.len();
        for (file, id, _) in &added {
            let name = file.name.to_string_lossy();
            retired.named.push(Folded {
                id: *id,
                name: name.into_owned(),
            });
        }
        // The first name stays: it tells whose totals these are.
        let surplus = retired.named.len().saturating_sub(1 + NAMED);
        retired.named.drain(1..1 + surplus);
        replace(self.directory, &totals.encode(), like)?;
        for (file, ..) in added {
            // If it cannot be removed now, readers ignore it, and the next step tries first.
            let _ = file.remove(self.directory);
            folding.folded.push(file.name.clone());
        }
        Ok(())
    }

    /// Adds a file to the totals and its id to `added`. Returns its id and metadata; `None` if it is no longer
    /// there.
    fn add(
        &mut self,
        doomed: &Doomed,
        added: &mut HashSet<FileId>,
    ) -> Result<Option<(FileId, Stat)>, String> {
        let (file, stat) = match self.read(&doomed.name) {
            Ok((file, stat)) if stat.identity == doomed.identity => (file, stat),
            Ok(_) | Err(Trouble::Gone) => return Ok(None),
            Err(Trouble::Bad(problem)) => return Err(problem),
        };
        // A retired file hides only files of its own user.
        if *self.uid.get_or_insert(file.uid) != file.uid {
            return Err(format!(
                "it belongs to user {}, but the retired file to another: remove it as that user, or give \
                 each user a root of its own",
                file.uid
            ));
        }
        if file.contents.retired.is_some() {
            return Err("it is a retired file itself".to_owned());
        }
        let id = FileId::of(&file.header);
        let named = self.totals.iter().flat_map(|totals| &totals.retired.named);
        if added.contains(&id) || named.map(|folded| folded.id).any(|folded| folded == id) {
            return Err("it is a copy of a file that was folded: remove it".to_owned());
        }
        let model = &file.header.model;
        let totals = self
            .totals
            .get_or_insert_with(|| RetiredTotals::new(&file.header));
        if totals.model() != model {
            return Err(format!(
                "it belongs to the model {model}, not {}",
                totals.model()
            ));
        }
        totals.add(&file)?;
        added.insert(id);
        Ok(Some((id, stat)))
    }
}

/// Replaces the retired file by a new one, with the owner and permissions of `like`.
fn replace(directory: &Directory, bytes: &[u8], like: &Stat) -> Result<(), Error> {
    let path = || directory.path().join(RETIRED_FILE);
    if bytes.len() > MAX_SIZE {
        return Err(Error::Full {
            path: path(),
            wanted: bytes.len(),
            most: MAX_SIZE,
        });
    }
    let next = OsStr::new(NEXT);
    // Left by a process that was killed in the middle.
    let _ = directory.remove(next);
    let written = write(directory, next, bytes, like)
        .and_then(|()| directory.rename(next, OsStr::new(RETIRED_FILE)));
    written.map_err(|error| {
        let _ = directory.remove(next);
        Error::io(&path(), "write", error)
    })
}

fn write(directory: &Directory, name: &OsStr, bytes: &[u8], like: &Stat) -> io::Result<()> {
    // The permissions of `like`, but never those to execute: the file contains what others wrote.
    let mut file = directory.new_file(name, like.mode & 0o666)?;
    if Stat::of_file(&file)?.uid != like.uid {
        // The superuser folds for the owner, who must be able to continue with the file.
        directory::give_to(&file, like.uid)?;
    }
    // Reserved first, so that a lack of space is an error rather than a signal.
    reserve(&file, 0, bytes.len() as u64)?;
    file.write_all(bytes)
}
