//! Errors: each distinct one once, with how often, when first and when last.
//!
//! A distinct error is a part of the file (`format::part`): a cell of two buffers with what changes, and
//! plain words with what it is, which are written before the part is published and never change. The
//! handle finds it by a hash of its kind, name, site and message, so that one that is known costs the
//! formatting of its message into the hash, and no allocation.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Debug, Display, Write};
use std::hash::{BuildHasher, Hasher};
use std::panic::Location;
use std::rc::Rc;

use super::context::Reference;
use super::error_log::{BUFFERS, Changing, GEOMETRY, MOST, Text, shape_of};
use super::error_type::{self, Leading};
use super::field::{Binder, Describe, Field, Options};
use super::kind::code;
use super::space::Space;
use crate::format::bytes::cut;
use crate::format::part::Part;
use crate::format::scalar::Scalar;
use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::clock;
use crate::sys::seed::{self, RandomState};
use crate::sys::words::{Slot, Width, Word};

/// A log of distinct errors, each with its count, the times of the first and the last, its message, what
/// caused it, and a context: of an error the backtrace of the first, if `RUST_BACKTRACE` asks for one; of
/// a [`note`](Self::note) what was last given.
///
/// ```
/// use mmstats::{Errors, MmStats, OrRecord};
/// #[derive(MmStats)]
/// struct Web {
///     errors: Errors,
/// }
/// let web = Web::builder().anonymous().create()?;
/// let parsed: Result<u8, _> = "300".parse::<u8>().or_record(&web.errors);
/// web.errors.record(&parsed.unwrap_err());
/// web.errors.note("timeout", "host:abc");
/// assert_eq!(web.errors.count(), 3);
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// Two errors are the same if type, message and the place in the source that recorded them are; two
/// notes if their names are. Of a field `errors` the labels are `errors__all`, `errors__EXC:<type>` and
/// `errors__<name of a note>`. A thread's file has room for 256 distinct ones: what comes then counts
/// under `errors__all`, and as [`overflow`](crate::ErrorsValue::overflow).
///
/// The *type* is the last part of the path of the static type. Where many crates use the same last part
/// (`Error`, `ErrorKind`, `Err`, `Kind`, `Failure`) it is the whole path, without `std`, `core` and `alloc`
/// and without a last module `error` or `errors`: `io::Error`, `serde_json::Error`. A `dyn Error`, boxed or
/// not, does not say its type. It is the identifier with which its `Debug` text begins, unless that is one
/// of those names or its message begins with it; then the type of the nearest cause that is a well-known
/// type of the standard library; else `dyn`.
///
/// Of processes that have ended and whose files were folded into one, the contexts are gone.
pub struct Errors {
    all: Word,
    overflow: Word,
    known: RefCell<HashMap<u64, Known, RandomState>>,
    hasher: RandomState,
    /// The file; `None`: private memory, which cannot grow.
    space: Option<Rc<dyn Space>>,
    /// Offset of the metric's place: what its parts refer to.
    owner: u32,
}

/// An error that has its part.
struct Known {
    slot: Slot<Changing>,
    context: Cell<Reference>,
}

/// Bytes that are kept of a name (or site), of a message, and of all causes.
const NAME_MOST: usize = 256;
const MESSAGE_MOST: usize = 1024;
const SOURCES_MOST: usize = 2048;
/// Causes that are looked at: a chain may go in circles.
const SOURCES: usize = 16;

/// What an error is called.
#[derive(Clone, Copy)]
struct Name<'a> {
    /// The modules before the type, with the last `::`; mostly empty.
    path: &'a str,
    text: &'a str,
    is_note: bool,
}

impl Errors {
    /// Records an error: any, also `&dyn Error`.
    #[track_caller]
    pub fn record<E: Error + ?Sized>(&self, error: &E) {
        let site = Location::caller();
        self.record_at(error, site);
    }

    /// Records an error of this place in the source.
    pub(crate) fn record_at<E: Error + ?Sized>(&self, error: &E, site: &Location<'_>) {
        let mut leading = Leading::default();
        let (path, text) = error_type::static_type::<E>()
            .unwrap_or_else(|| error_type::dyn_type(error, &mut leading));
        let name = Name {
            path,
            text,
            is_note: false,
        };
        let hash = self.hash(name, Some(site), &error);
        if !self.again(hash, None) {
            self.first(hash, name, Some(site), &error, error.source(), None);
        }
    }

    /// Records that something went wrong that is no `Error`, under a name, with a context: a text or
    /// any bytes. The last one is kept.
    pub fn note(&self, name: &str, context: impl AsRef<[u8]>) {
        let name = Name {
            path: "",
            text: name,
            is_note: true,
        };
        let context = context.as_ref();
        let hash = self.hash(name, None, &"");
        if !self.again(hash, Some(context)) {
            self.first(hash, name, None, &"", None, Some(context));
        }
    }

    /// How many were recorded in this thread's file.
    pub fn count(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    fn hash(&self, name: Name<'_>, site: Option<&Location<'_>>, message: &dyn Display) -> u64 {
        let mut hash = Hashing(self.hasher.build_hasher());
        hash.0.write_u8(name.is_note.into());
        hash.0.write(name.path.as_bytes());
        hash.0.write(name.text.as_bytes());
        if let Some(site) = site {
            hash.0.write(site.file().as_bytes());
            hash.0.write_u32(site.line());
            hash.0.write_u32(site.column());
        }
        // A message that cannot be formatted counts as far as it could.
        let _ = write!(hash, "{message}");
        hash.0.finish()
    }

    /// Counts an error, and where it is known, there too.
    fn again(&self, hash: u64, context: Option<&[u8]>) -> bool {
        increment(&self.all);
        // Borrowed: an allocator that notes something while an error is being entered.
        let Ok(table) = self.known.try_borrow() else {
            increment(&self.overflow);
            return true;
        };
        let Some(known) = table.get(&hash) else {
            return false;
        };
        if let (Some(context), Some(space)) = (context, &self.space) {
            let contexts = space.contexts();
            let next = contexts.keep(&**space, context);
            contexts.release(known.context.replace(next));
        }
        let now = clock::coarse_unix_nanos();
        let slot = known.slot;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| {
                // Relaxed: this thread is the only writer.
                let word = |i: usize| before[i].load(Ordering::Relaxed);
                let (count, first) = (word(0).wrapping_add(1), word(1));
                [count, first, now, known.context.get().0]
            },
        );
        true
    }

    /// Enters an error that is not known, if there is room.
    #[cold]
    fn first(
        &self,
        hash: u64,
        name: Name<'_>,
        site: Option<&Location<'_>>,
        message: &dyn Display,
        source: Option<&(dyn Error + 'static)>,
        context: Option<&[u8]>,
    ) {
        let entered = self.room().and_then(|space| {
            // Nothing is borrowed here: the texts are made by code of others.
            let text = text_of(name, site, message, source);
            let backtrace = match context {
                None => captured(),
                Some(_) => None,
            };
            let context = context.or(backtrace.as_ref().map(String::as_bytes));
            let mut known = self.known.try_borrow_mut().ok()?;
            let entered = self.enter(space, known.len(), &text, context)?;
            known.insert(hash, entered);
            Some(())
        });
        if entered.is_none() {
            increment(&self.overflow);
        }
    }

    /// The file, if it may have space for an error more: asked first, for all else costs a lot. A full file
    /// is asked again at every power of two of the errors that had no room.
    fn room(&self) -> Option<&dyn Space> {
        let refused = self.overflow.load(Ordering::Relaxed);
        let known = self.known.try_borrow().ok()?.len();
        let may_ask = known < MOST && (refused == 0 || refused.is_power_of_two());
        self.space.as_deref().filter(|_| may_ask)
    }

    fn enter(
        &self,
        space: &dyn Space,
        number: usize,
        text: &Text,
        context: Option<&[u8]>,
    ) -> Option<Known> {
        let text = text.to_words();
        let part = Part {
            owner: self.owner,
            number: number as u32,
            values: 0,
            shape: shape_of(text.len()),
        };
        let words = space.part(part, &text)?;
        let cell = 1 + BUFFERS * Changing::WORDS;
        let slot: Slot<Changing> = Slot::new(words.part(0, cell), BUFFERS);
        let context = context.map_or(Reference::NONE, |context| {
            space.contexts().keep(space, context)
        });
        let now = clock::coarse_unix_nanos();
        slot::publish(
            slot.sequence(),
            |p| slot.buffer(p),
            [1, now, now, context.0],
        );
        let context = Cell::new(context);
        Some(Known { slot, context })
    }
}

/// Relaxed: as for a Counter.
fn increment(word: &AtomicU64) {
    word.store(
        word.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

/// The backtrace, if the environment asks for one.
fn captured() -> Option<String> {
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured).then(|| callers(&backtrace.to_string()))
}

/// The frames of the caller: without ours and std's above them, and without what starts a thread or `main`.
/// The whole text, where that would leave nothing.
fn callers(backtrace: &str) -> String {
    let mut kept = String::new();
    let (mut frames, mut is_kept) = (0, false);
    for line in backtrace.lines() {
        let frame = (line.trim_start().split_once(": "))
            .filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some((_, symbol)) = frame {
            if symbol.contains("__rust_begin_short_backtrace") || symbol.starts_with("std::rt::") {
                break;
            }
            let is_ours = ["std::backtrace", "mmstats::metric::", "mmstats::writer::"]
                .iter()
                .any(|module| symbol.trim_start_matches('<').starts_with(module))
                || symbol.contains(" as mmstats::metric::");
            is_kept = frames > 0 || !is_ours;
            if is_kept {
                let _ = writeln!(kept, "{frames:4}: {symbol}");
                frames += 1;
            }
        } else if is_kept {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    if kept.is_empty() {
        return backtrace.to_owned();
    }
    kept
}

/// A hash of formatted text.
struct Hashing<H>(H);

impl<H: Hasher> Write for Hashing<H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errors({})", self.count())
    }
}

/// What an error is, cut to what is kept.
fn text_of(
    name: Name<'_>,
    site: Option<&Location<'_>>,
    message: &dyn Display,
    mut source: Option<&(dyn Error + 'static)>,
) -> Text {
    let mut sources = String::new();
    for _ in 0..SOURCES {
        let Some(cause) = source else { break };
        if !sources.is_empty() {
            sources.push('\n');
        }
        // One a line, whatever is in it.
        sources.push_str(&formatted(cause).replace('\n', " "));
        source = cause.source();
    }
    let kept = |text: String, most| cut(&text, most).to_owned();
    Text {
        name: kept([name.path, name.text].concat(), NAME_MOST),
        is_note: name.is_note,
        message: kept(formatted(message), MESSAGE_MOST),
        site: kept(site.map_or(String::new(), Location::to_string), NAME_MOST),
        sources: kept(sources, SOURCES_MOST),
    }
}

/// As text; as far as it goes, where the formatting fails.
fn formatted(message: &(impl Display + ?Sized)) -> String {
    let mut text = String::new();
    let _ = write!(text, "{message}");
    text
}

/// Records what goes wrong on the way of a `Result`.
pub trait OrRecord: Sized {
    /// The result, after its error was recorded, if it is one.
    ///
    /// Of a boxed `dyn Error`, which is no `Error` itself, record what is in the box:
    /// `.inspect_err(|error| errors.record(&**error))`.
    #[track_caller] // so are the implementations
    #[must_use = "the result is still to be looked at"]
    fn or_record(self, errors: &Errors) -> Self;
}

impl<T, E: Error> OrRecord for Result<T, E> {
    fn or_record(self, errors: &Errors) -> Result<T, E> {
        if let Err(error) = &self {
            errors.record(error);
        }
        self
    }
}

// SAFETY: all that is kept of the binder is in the private fields of the handle, which cannot be cloned.
unsafe impl Field for Errors {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema.metric(code::ERRORS, label, options, GEOMETRY).scalar = Some(Scalar::U64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> Errors {
        let (words, owner) = binder.place(GEOMETRY);
        Errors {
            all: words.word(0),
            overflow: words.word(1),
            known: RefCell::new(HashMap::with_hasher(seed::random_state())),
            hasher: seed::random_state(),
            space: binder.space().cloned(),
            owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::callers;

    #[test]
    fn a_backtrace_begins_and_ends_with_frames_of_the_caller() {
        let whole = "   0: std::backtrace::Backtrace::create
   1: mmstats::metric::errors::captured
             at ./src/metric/errors.rs:1:2
   2: <core::result::Result<T,E> as mmstats::metric::errors::OrRecord>::or_record
   3: app::load
             at ./src/main.rs:3:4
   4: app::main
   5: std::sys::backtrace::__rust_begin_short_backtrace
   6: main
";
        let wanted = "   0: app::load
             at ./src/main.rs:3:4
   1: app::main
";
        assert_eq!(callers(whole), wanted);
        assert_eq!(callers("unknown"), "unknown");
    }
}
