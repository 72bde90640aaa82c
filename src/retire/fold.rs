//! Folding: the totals of files into the retired file of their model.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Doomed;
use super::totals::Totals;
use crate::Error;
use crate::format::retired::{FileId, Folded, NAMED, RETIRED_FILE};
use crate::reader::copy::Scratch;
use crate::reader::file::StatsFile;
use crate::reader::plan::Plans;
use crate::reader::source::Trouble;
use crate::sys::guard::DirectoryLock;
use crate::sys::identity::Process;
use crate::sys::reserve::reserve;
use crate::sys::view::Stat;

/// Name of the retired file to be. Only who has the directory's lock may have one.
const NEXT: &str = ".mmstats-retired";
/// Bytes that a retired file may have at most: it is written anew at each step.
const MAX_SIZE: usize = 64 << 20;

/// What came of folding some files.
#[derive(Debug, Default)]
pub struct Folding {
    /// Those that were folded.
    pub folded: Vec<PathBuf>,
    /// Those that stay as they are, and why.
    pub kept: Vec<(PathBuf, String)>,
}

/// Folds files that nobody writes any more, all in `directory`, into its retired file, and removes them.
///
/// # Errors
/// The retired file cannot be read, or a new one not be written. What `folding` names as folded by
/// then is; the rest is as it was.
pub fn fold(
    directory: &Path,
    files: &[Doomed],
    patience: Duration,
    folding: &mut Folding,
) -> Result<(), Error> {
    let _lock = DirectoryLock::take(directory, patience)
        .map_err(|error| Error::io(directory, "lock, for folding files,", error))?;
    for step in files.chunks(NAMED) {
        Step::begin(directory)?.run(step, folding)?;
    }
    Ok(())
}

/// One step: from the retired file as it is to the next one. Under the directory's lock.
struct Step<'a> {
    directory: &'a Path,
    plans: Plans,
    scratch: Scratch,
    /// Those of the retired file, if there is one.
    totals: Option<Totals>,
    /// The user to whom the retired file belongs.
    uid: Option<u32>,
}

impl<'a> Step<'a> {
    /// Reads the retired file, and removes what an earlier step has folded and not removed.
    fn begin(directory: &'a Path) -> Result<Step<'a>, Error> {
        let mut step = Step {
            directory,
            plans: Plans::default(),
            scratch: Scratch::default(),
            totals: None,
            uid: None,
        };
        let path = directory.join(RETIRED_FILE);
        let unreadable = |problem| {
            let wanted = "read: move it away to begin a new one";
            Error::io(&path, wanted, io::Error::other(problem))
        };
        let retired = match step.read(&path) {
            Ok(retired) => retired,
            Err(Trouble::Gone) => return Ok(step),
            Err(Trouble::Bad(problem)) => return Err(unreadable(problem)),
        };
        let totals = Totals::of(&retired).map_err(unreadable)?;
        step.uid = Some(retired.uid);
        let named = &totals.retired.named;
        for left in &named[named.len() - totals.retired.unseen..] {
            step.remove_left(left)?;
        }
        step.totals = Some(totals);
        Ok(step)
    }

    fn read(&mut self, path: &Path) -> Result<StatsFile, Trouble> {
        let root: Arc<Path> = self.directory.into();
        let mut file = StatsFile::open(path.to_owned(), &root, false)?;
        file.refresh(&mut self.plans, &mut self.scratch)?;
        Ok(file)
    }

    /// Removes a file that was folded, if it is still there.
    fn remove_left(&mut self, left: &Folded) -> Result<(), Error> {
        // The name is data: it may be anything.
        if left.name.contains('/') || !left.name.starts_with("mmstats-") {
            return Ok(());
        }
        let path = self.directory.join(&left.name);
        let fail = |error| Error::io(&path, "remove what was folded already,", error);
        match self.read(&path) {
            Ok(file) if FileId::of(&file.header) == left.id => {
                let identity = file.identity();
                (Doomed {
                    path: path.clone(),
                    identity,
                })
                .remove()
                .map_err(fail)
            }
            // Gone, or another one by now.
            Ok(_) | Err(Trouble::Gone) => Ok(()),
            Err(Trouble::Bad(problem)) => Err(fail(io::Error::other(problem))),
        }
    }

    fn run(mut self, files: &[Doomed], folding: &mut Folding) -> Result<(), Error> {
        let (mut added, mut ids) = (Vec::new(), HashSet::new());
        for file in files {
            match self.add(file, &mut ids) {
                Ok(Some(id)) => added.push((file, id)),
                // Gone in the meantime: somebody else has folded it, or removed it.
                Ok(None) => {}
                Err(problem) => folding.kept.push((file.path.clone(), problem)),
            }
        }
        let (Some(totals), Some((first, _))) = (&mut self.totals, added.first()) else {
            return Ok(());
        };
        let retired = &mut totals.retired;
        retired.unseen = added.len();
        for (file, id) in &added {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            retired.named.push(Folded {
                id: *id,
                name: name.into_owned(),
            });
        }
        let surplus = retired.named.len().saturating_sub(NAMED);
        retired.named.drain(..surplus);
        replace(self.directory, &totals.encode(), first)?;
        for (file, _) in added {
            // If it cannot be removed now, readers ignore it, and the next step begins with it.
            let _ = file.remove();
            folding.folded.push(file.path.clone());
        }
        Ok(())
    }

    /// Adds a file to the totals, and to those that this step has `added`; `None`: it is no longer there.
    fn add(
        &mut self,
        doomed: &Doomed,
        added: &mut HashSet<FileId>,
    ) -> Result<Option<FileId>, String> {
        let file = match self.read(&doomed.path) {
            Ok(file) if file.identity() == doomed.identity => file,
            Ok(_) | Err(Trouble::Gone) => return Ok(None),
            Err(Trouble::Bad(problem)) => return Err(problem),
        };
        // A retired file hides only files of its own user.
        if *self.uid.get_or_insert(file.uid) != file.uid {
            return Err("it belongs to another user than the retired file".to_owned());
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
        let totals = self.totals.get_or_insert_with(|| Totals::new(&file.header));
        if totals.model() != model {
            return Err(format!(
                "it is of the model {model}, not {}",
                totals.model()
            ));
        }
        totals.add(&file)?;
        added.insert(id);
        Ok(Some(id))
    }
}

/// Puts a new retired file in the place of the old one, with the owner and permissions of `like`.
fn replace(directory: &Path, bytes: &[u8], like: &Doomed) -> Result<(), Error> {
    let path = directory.join(RETIRED_FILE);
    if bytes.len() > MAX_SIZE {
        return Err(Error::Full {
            path,
            wanted: bytes.len(),
            most: MAX_SIZE,
        });
    }
    let next = directory.join(NEXT);
    // Of who was killed in the middle.
    let _ = fs::remove_file(&next);
    let written = write(&next, bytes, like).and_then(|()| fs::rename(&next, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&next);
        Error::io(&path, "write", error)
    })
}

fn write(path: &Path, bytes: &[u8], like: &Doomed) -> io::Result<()> {
    let like = Stat::of_path(&like.path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(like.mode & 0o777)
        .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW)
        .open(path)?;
    if like.uid != Process::this().uid() {
        // The superuser folds for somebody, who is to go on with the file.
        std::os::unix::fs::fchown(&file, Some(like.uid), None)?;
    }
    // Asked for first, so that a lack of space is an error and no signal.
    reserve(&file, 0, bytes.len() as u64)?;
    file.write_all(bytes)
}
