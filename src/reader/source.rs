//! Reads the bytes of a file, through a mapping or a descriptor, and checks the file before each pass.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::text::printable;
use crate::format::bytes::Malformed;
use crate::format::header::{COMMITTED, OWNER};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::sys::memory::read_map::{self, FileExt, KeptFile, Opened, Stat, View};

/// Why a file cannot be read now.
#[derive(Debug)]
pub enum Trouble {
    /// It no longer exists, or another file has its name.
    Gone,
    /// Anything else, described in words.
    Bad(String),
}

impl Trouble {
    pub fn io(action: &str, error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::NotFound => Trouble::Gone,
            io::ErrorKind::UnexpectedEof => Trouble::cut(),
            _ => Trouble::Bad(format!("cannot {action}: {error}")),
        }
    }

    /// Returns the error for a file that ends before its stated contents do.
    pub fn cut() -> Trouble {
        Trouble::Bad("cut short while it was read".to_owned())
    }
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Trouble {
        Trouble::Bad(printable(&malformed.to_string()).into_owned())
    }
}

/// Reads words at an offset: of a file, or in tests of something less well-behaved.
pub trait Positioned {
    /// Fills `words` from word `at` on.
    fn read(&self, at: usize, words: &mut [u64]) -> Result<(), Trouble>;
}

impl Positioned for File {
    fn read(&self, at: usize, words: &mut [u64]) -> Result<(), Trouble> {
        self.read_exact_at(bytemuck::cast_slice_mut(words), 8 * at as u64)
            .map_err(|error| Trouble::io("read it", error))
    }
}

/// Loads words. Relaxed: the pages are read-only for the reader, and each word is a value of its own.
pub fn load(from: &[AtomicU64], to: &mut [u64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.load(Ordering::Relaxed);
    }
}

/// How the bytes of a file are read.
#[derive(Debug)]
pub enum Source {
    /// Through a mapping, with a descriptor if one could be kept: a stat by descriptor costs a third of a
    /// stat by path.
    Mapped(View, Option<KeptFile>),
    /// Through a descriptor: one that is kept, or a new one for each pass.
    Read(Option<KeptFile>),
}

/// The state of a file for one pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Its bytes.
    pub access: Access<'a>,
    /// Its length.
    pub len: u64,
    /// The committed length; at most the length of the file.
    pub committed: u64,
    /// The owner word.
    pub owner: u64,
}

/// The bytes of a file, for one pass.
#[derive(Debug)]
pub enum Access<'a> {
    /// A mapping that covers all that is committed.
    Mapped(&'a View),
    /// A descriptor to read from.
    Read(&'a File),
    /// A descriptor to read from, which is closed after the pass.
    ReadOnce(File),
}

impl Source {
    /// Chooses how to read a file. The header has been read, and `len` bytes are to be mapped.
    ///
    /// A file with holes is not mapped. On a tmpfs a load from a hole fills it, so reading would make the
    /// file take all the space that its length claims. (A writer's file has no holes, because its space is
    /// reserved.)
    pub fn new(opened: Opened, len: u64, directory_is_private: bool) -> Source {
        if opened.may_map(directory_is_private)
            && len <= opened.stat.allocated
            && let Ok(len) = usize::try_from(len)
            && let Ok(view) = View::new(&opened.file, len)
        {
            return Source::Mapped(view, KeptFile::new(opened.file).ok());
        }
        Source::Read(KeptFile::new(opened.file).ok())
    }

    /// Returns whether the file is held open or mapped, so that no other file can have its inode number.
    pub fn holds(&self) -> bool {
        !matches!(self, Source::Read(None))
    }

    /// Begins a pass: loads the committed length, and gives access to that many bytes.
    pub fn begin(&mut self, path: &Path, identity: (u64, u64)) -> Result<Pass<'_>, Trouble> {
        // The mapping is renewed first, so that the borrow below stays valid.
        if let Source::Mapped(view, kept) = self {
            let stat = match kept.as_ref().map(|kept| Stat::of_file(kept.file())) {
                Some(Ok(stat)) if stat.links > 0 => Ok(stat),
                // Not kept, or removed: check what has its name now.
                _ => Stat::of_path(path),
            };
            let stat = same(stat, identity)?;
            if stat.len < 8 * view.len() as u64 || view.is_cut() {
                return Err(Trouble::cut());
            }
            let (len, committed) = within(stat.len, view.acquire(COMMITTED / 8), || {
                same(Stat::of_path(path), identity).map(|stat| stat.len)
            })?;
            if committed > 8 * view.len() as u64 {
                *self = remapped(path, identity, committed)?;
            }
            if let Source::Mapped(view, _) = self {
                let owner = view.acquire(OWNER / 8);
                return Ok(Pass {
                    access: Access::Mapped(view),
                    len,
                    committed,
                    owner,
                });
            }
        }
        let Source::Read(kept) = self else {
            unreachable!("mapped sources have returned above");
        };
        let access = match kept {
            Some(kept) => Access::Read(kept.file()),
            None => {
                let opened = read_map::open(path).map_err(|error| Trouble::io("open it", error))?;
                if opened.stat.identity != identity {
                    return Err(Trouble::Gone);
                }
                Access::ReadOnce(opened.file)
            }
        };
        let file = access.file().expect("not mapped");
        let len = length(file)?;
        const _: () = assert!(OWNER == COMMITTED + 8);
        let mut words = [0; 2];
        file.read(COMMITTED / 8, &mut words)?;
        // Acquire: records were complete before they were committed, so they are read after the committed
        // length.
        fence(Ordering::Acquire);
        let (len, committed) = within(len, words[0], || length(file))?;
        Ok(Pass {
            access,
            len,
            committed,
            owner: words[1],
        })
    }
}

/// Returns the stat of a file, if it is still the same file.
fn same(stat: io::Result<Stat>, identity: (u64, u64)) -> Result<Stat, Trouble> {
    let stat = stat.map_err(|error| Trouble::io("stat it", error))?;
    if stat.identity == identity {
        Ok(stat)
    } else {
        Err(Trouble::Gone)
    }
}

/// Returns the length of an open file. Seeking its end costs less than half of a stat.
fn length(mut file: &File) -> Result<u64, Trouble> {
    file.seek(SeekFrom::End(0))
        .map_err(|error| Trouble::io("find its end", error))
}

/// Returns length and committed length. It is an error if the file is shorter than the committed length; it
/// may have grown since it had `len` bytes, so `again` is asked first.
fn within(
    len: u64,
    committed: u64,
    again: impl FnOnce() -> Result<u64, Trouble>,
) -> Result<(u64, u64), Trouble> {
    let len = if committed > len { again()? } else { len };
    if committed > len {
        return Err(Trouble::Bad(format!(
            "{committed} bytes are committed according to the header, but the file has {len}: it was cut short"
        )));
    }
    Ok((len, committed))
}

/// Returns a longer view of a file that has grown.
fn remapped(path: &Path, identity: (u64, u64), committed: u64) -> Result<Source, Trouble> {
    let opened = read_map::open(path).map_err(|error| Trouble::io("open it", error))?;
    if opened.stat.identity != identity {
        return Err(Trouble::Gone);
    }
    // The directory was private when the file was first mapped; the file itself is checked again.
    Ok(Source::new(opened, committed, true))
}

impl Access<'_> {
    fn file(&self) -> Option<&File> {
        match self {
            Access::Mapped(_) => None,
            Access::Read(file) => Some(file),
            Access::ReadOnce(file) => Some(file),
        }
    }

    /// Loads the committed length again, after values were copied.
    pub fn committed(&self) -> Result<u64, Trouble> {
        // The copy ended with an acquire fence, so nothing that it read refers to a record that was committed
        // after this load.
        let mut word = [0];
        match self {
            Access::Mapped(view) => return Ok(view.acquire(COMMITTED / 8)),
            Access::Read(file) => file.read(COMMITTED / 8, &mut word)?,
            Access::ReadOnce(file) => file.read(COMMITTED / 8, &mut word)?,
        }
        Ok(word[0])
    }

    /// Returns how many bytes the file really takes. `path` and `identity` are those of the file.
    pub fn allocated(&self, path: &Path, identity: (u64, u64)) -> Result<u64, Trouble> {
        let stat = match self.file() {
            Some(file) => Stat::of_file(file),
            None => Stat::of_path(path),
        };
        same(stat, identity).map(|stat| stat.allocated)
    }

    /// Loads one word.
    pub fn word(&self, at: usize) -> Result<u64, Trouble> {
        let mut word = [0];
        match self {
            Access::Mapped(view) => {
                let view = view.words().get(at..=at).ok_or_else(Trouble::cut)?;
                load(view, &mut word);
            }
            Access::Read(file) => file.read(at, &mut word)?,
            Access::ReadOnce(file) => file.read(at, &mut word)?,
        }
        Ok(word[0])
    }

    /// Appends the words at these places, which must ascend, to `words`.
    pub fn some_words(
        &self,
        places: impl Iterator<Item = usize> + Clone,
        words: &mut Vec<u64>,
    ) -> Result<(), Trouble> {
        match self {
            Access::Mapped(view) => {
                let view = view.words();
                for at in places {
                    let word = view.get(at).ok_or_else(Trouble::cut)?;
                    words.push(word.load(Ordering::Relaxed));
                }
                Ok(())
            }
            Access::Read(file) => read_some(*file, places, words),
            Access::ReadOnce(file) => read_some(file, places, words),
        }
    }

    /// Copies `len` bytes of metadata from `at`, a multiple of 8. They are copied once and parsed from the
    /// copy, so that a writer cannot change what has been checked.
    pub fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>, Trouble> {
        debug_assert!(at.is_multiple_of(8));
        // A file may have more bytes than a 32-bit program can count.
        let first = usize::try_from(at / 8).map_err(|_| Trouble::cut())?;
        let count = len.div_ceil(8);
        let mut words = vec![0; count];
        match self {
            Access::Mapped(view) => {
                let view = view
                    .words()
                    .get(first..first + count)
                    .ok_or_else(Trouble::cut)?;
                load(view, &mut words);
            }
            Access::Read(file) => file.read(first, &mut words)?,
            Access::ReadOnce(file) => file.read(first, &mut words)?,
        }
        let mut bytes: Vec<u8> = bytemuck::cast_slice(&words).to_vec();
        bytes.truncate(len);
        Ok(bytes)
    }
}

/// Segments that lie closer together than this are read in one call.
pub const GAP: usize = 1024;
/// At most this many bytes are read in one call, so that the buffers stay small.
pub const SPAN: usize = 256 << 10;

/// Appends the words at these places, which must ascend, to `words`. Those that lie close together are read
/// in one call.
fn read_some(
    file: &impl Positioned,
    places: impl Iterator<Item = usize> + Clone,
    words: &mut Vec<u64>,
) -> Result<(), Trouble> {
    let (mut rest, mut data) = (places.peekable(), Vec::new());
    while let Some(first) = rest.next() {
        let (mut last, mut span) = (first, vec![first]);
        while let Some(next) =
            rest.next_if(|next| 8 * (next - last) <= GAP && 8 * (next - first) < SPAN)
        {
            span.push(next);
            last = next;
        }
        data.resize(last + 1 - first, 0);
        file.read(first, &mut data)?;
        words.extend(span.iter().map(|at| data[at - first]));
    }
    Ok(())
}
