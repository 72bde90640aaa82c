//! Errors: each distinct error is kept once, with its count and the times of its first and last occurrence.
//!
//! The handle finds an error by a hash of what it is (type or name, site and message). A known error therefore
//! costs the formatting of its message into the hash, and no allocation. The entries are in `table`.

pub(super) mod entry;
mod fold;
pub mod kind;
mod table;
mod text;
mod type_name;
pub mod value;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Write};
use std::hash::{BuildHasher, Hasher};
use std::panic::Location;
use std::rc::Rc;

use super::field::{Binder, Describe, Field, Options};
use super::storage::Storage;
use crate::format::scalar::Scalar;
use crate::metric::kind::code;
use crate::metric::one_thread::of_one_thread;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::memory::words::Words;
use crate::sys::process::clock;
use entry::plain;
use kind::GEOMETRY;
use table::{ErrorTable, NewError, RecordOutcome};
use text::{Name, Site, Texts};
use type_name::LeadingIdentifier;

/// A log of distinct errors.
///
/// Each has a count, the times of the first and the last occurrence, its message, its causes, and a context. The
/// context of an error is the backtrace of the first occurrence, if `RUST_BACKTRACE` asks for one. The context of a
/// [`note`](Self::note) is the one that was given last.
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
/// Two errors are the same if they have the same type, the same message and the same place in the source that
/// recorded them. Two notes are the same if they have the same name. A field `errors` has the labels
/// `errors__all`, `errors__EXC:<type>` and `errors__<name of a note>`.
///
/// Each thread's file has two bounds. *Messages*: 256 distinct errors are kept, or as many as the file has
/// space for. (All logs of a file together take at most a quarter of its maximum size, but each has 8
/// messages.) A new one replaces the one that was least recently seen; [`evicted`](crate::ErrorsValue::evicted)
/// counts this. *Counts* of a name and a place in the source are kept for ever, whatever messages come and go,
/// so `errors__EXC:<type>` never falls. There are at most 256 of them. Further errors are counted under
/// `errors__all` and as [`unnamed`](crate::ErrorsValue::unnamed).
///
/// A message takes 2 KiB of the file, a count 768 bytes. Longer texts are cut: names to 128 bytes, places to
/// 168, messages to 512.
///
/// A known error costs two stores of a few words and no allocation. A new one costs more, but once the log is
/// full it allocates nothing either. From then on only the first error of a name and a place has a backtrace.
///
/// The *type* is the last part of the path of the static type. If many crates use that last part (`Error`,
/// `ErrorKind`, `Err`, `Kind`, `Failure`), it is the whole path, without a leading `std`, `core` or `alloc` and
/// without a last module `error` or `errors`: `io::Error`, `serde_json::Error`. A `dyn Error`, boxed or not,
/// does not reveal its type. Its type is then the identifier at the beginning of its `Debug` text, unless that
/// is one of those names or its message begins with it. Otherwise it is the type of the nearest cause that is a
/// well-known type of the standard library, or `dyn` if there is none. An error that a scope
/// ([`stats`](crate::stats)) returns is boxed; there, well-known types of the standard library are recognized
/// directly.
///
/// The contexts of processes that have ended are lost when their files are folded into one.
pub struct Errors {
    words: Words,
    table: RefCell<ErrorTable>,
    hasher: RandomState,
    /// The file; `None` for private memory, which cannot grow.
    storage: Option<Rc<dyn Storage>>,
    /// Offset of the metric's place, to which its extents refer.
    owner: u32,
}

/// What distinguishes an error from others.
#[derive(Clone, Copy)]
enum ErrorIdentity<'a> {
    /// The full name of its type. The name that is shown is cut from it only when the error is new: finding it
    /// took a third of the time of counting a known error.
    Type(&'static str),
    Name(Name<'a>),
}

impl<'a> ErrorIdentity<'a> {
    /// An error with this path and name.
    fn error((path, text): (&'a str, &'a str)) -> ErrorIdentity<'a> {
        ErrorIdentity::Name(Name {
            path,
            text,
            is_note: false,
        })
    }

    /// Returns the name that is shown.
    fn name(self) -> Name<'a> {
        match self {
            ErrorIdentity::Name(name) => name,
            ErrorIdentity::Type(name) => {
                let (path, text) = type_name::split(name);
                Name {
                    path,
                    text,
                    is_note: false,
                }
            }
        }
    }
}

impl Errors {
    /// Records any error, including a `&dyn Error`.
    ///
    /// ```
    /// # use mmstats::{Errors, MmStats};
    /// # #[derive(MmStats)] struct Web { errors: Errors }
    /// # let web = Web::builder().anonymous().create()?;
    /// if let Err(error) = "x".parse::<u32>() {
    ///     web.errors.record(&error); // exposed as `EXC:ParseIntError`
    /// }
    /// assert_eq!(web.errors.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[track_caller]
    pub fn record<E: Error + ?Sized>(&self, error: &E) {
        let site = Location::caller();
        self.record_at(error, site);
    }

    /// Records an error for this place in the source.
    pub(crate) fn record_at<E: Error + ?Sized>(&self, error: &E, site: &Location<'_>) {
        let mut leading = LeadingIdentifier::default();
        let name = match type_name::static_type::<E>() {
            Some(name) => ErrorIdentity::Type(name),
            None => ErrorIdentity::error(type_name::dyn_type(error, &mut leading)),
        };
        self.enter(name, Some(site.into()), &error, error.source(), None);
    }

    /// Like [`record_at`](Self::record_at), for an error that was boxed and may be of a well-known type.
    pub(crate) fn record_boxed(&self, error: &(dyn Error + 'static), site: &Location<'_>) {
        match type_name::known(error) {
            Some(known) => {
                let name = ErrorIdentity::error(known);
                self.enter(name, Some(site.into()), &error, error.source(), None);
            }
            None => self.record_at(error, site),
        }
    }

    /// Records an error event of a program's log at a file and line: as the error that it reports or, if there
    /// is none, under `name`. Only the last context is kept.
    #[cfg(feature = "tracing")]
    pub(crate) fn record_event(
        &self,
        name: &str,
        error: Option<&(dyn Error + 'static)>,
        message: &str,
        (file, line): (&str, u32),
        context: &str,
    ) {
        let mut leading = LeadingIdentifier::default();
        let called = match error {
            Some(error) => {
                type_name::known(error).unwrap_or_else(|| type_name::dyn_type(error, &mut leading))
            }
            None => ("", name),
        };
        let site = Site {
            file,
            line,
            column: 0,
        };
        let source = error.and_then(Error::source);
        let context = (!context.is_empty()).then_some(context.as_bytes());
        self.enter(
            ErrorIdentity::error(called),
            Some(site),
            &message,
            source,
            context,
        );
    }

    /// Records, under a name, a problem that is not an `Error`, with a context: a text or any bytes. Only the
    /// last context is kept.
    ///
    /// ```
    /// # use mmstats::{Errors, MmStats};
    /// # #[derive(MmStats)] struct Web { errors: Errors }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.errors.note("retry", "GET /index");
    /// assert_eq!(web.errors.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn note(&self, name: &str, context: impl AsRef<[u8]>) {
        let name = Name {
            path: "",
            text: name,
            is_note: true,
        };
        self.enter(
            ErrorIdentity::Name(name),
            None,
            &"",
            None,
            Some(context.as_ref()),
        );
    }

    /// Returns how many errors and notes were recorded in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Errors, MmStats};
    /// # #[derive(MmStats)] struct Web { errors: Errors }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.errors.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.words[plain::ALL].load(Ordering::Relaxed)
    }

    #[inline]
    fn enter(
        &self,
        name: ErrorIdentity<'_>,
        site: Option<Site<'_>>,
        message: &dyn Display,
        source: Option<&(dyn Error + 'static)>,
        context: Option<&[u8]>,
    ) {
        let hash = self.hash(name, site, message);
        increment(&self.words[plain::ALL]);
        let number = self.count();
        // Fails in a reentrant call, for example of an allocator that notes something while an error is being
        // entered.
        let counted = match self.table.try_borrow() {
            Ok(table) => table.count(
                self.storage.as_deref(),
                hash,
                context,
                number,
                clock::coarse_unix_nanos(),
            ),
            Err(_) => Some(RecordOutcome::default()),
        };
        let counted = counted.unwrap_or_else(|| {
            self.first(hash, name.name(), site, message, source, context)
                .unwrap_or_default()
        });
        if !counted.by_message {
            increment(&self.words[plain::OVERFLOW]);
        }
        if !counted.by_total {
            increment(&self.words[plain::UNNAMED]);
        }
    }

    fn hash(&self, name: ErrorIdentity<'_>, site: Option<Site<'_>>, message: &dyn Display) -> u64 {
        let mut hash = Hashing(self.hasher.build_hasher());
        match name {
            ErrorIdentity::Type(name) => hash.0.write(name.as_bytes()),
            ErrorIdentity::Name(name) => {
                hash.0.write_u8(name.is_note.into());
                hash.0.write(name.path.as_bytes());
                hash.0.write(name.text.as_bytes());
            }
        }
        if let Some(site) = site {
            hash.0.write(site.file.as_bytes());
            hash.0.write_u32(site.line);
            hash.0.write_u32(site.column);
        }
        // If formatting the message fails, the hash covers what was written before.
        let _ = write!(hash, "{message}");
        hash.0.finish()
    }

    /// Enters an error that is not known. Returns `None` if it cannot be entered anywhere.
    #[cold]
    fn first(
        &self,
        hash: u64,
        name: Name<'_>,
        site: Option<Site<'_>>,
        message: &dyn Display,
        source: Option<&(dyn Error + 'static)>,
        context: Option<&[u8]>,
    ) -> Option<RecordOutcome> {
        let storage = self.storage.as_deref()?;
        let total_hash = self.hash(ErrorIdentity::Name(name), site, &"");
        // Nothing is borrowed here, because making the texts runs the user's code.
        let texts = Texts::of_message(name, site, message, source);
        let wanted = context.is_none() && self.table.try_borrow().ok()?.wants_backtrace(total_hash);
        let backtrace = if wanted { captured() } else { None };
        let new = NewError {
            hash,
            total_hash,
            texts: &texts,
            total_texts: &Texts::of_total(name, site),
            context: context.or(backtrace.as_ref().map(String::as_bytes)),
            number: self.count(),
            now: clock::coarse_unix_nanos(),
        };
        let counted = (self.table.try_borrow_mut().ok()?).enter(storage, self.owner, &new);
        if counted.evicted {
            increment(&self.words[plain::EVICTED]);
        }
        Some(counted)
    }
}

/// Relaxed: as for a Counter.
fn increment(word: &AtomicU64) {
    word.store(
        word.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

/// Returns the backtrace, if the environment asks for one.
fn captured() -> Option<String> {
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured).then(|| callers(&backtrace.to_string()))
}

/// Returns the frames of the caller: without those of this library and std above them, and without those that
/// start a thread or `main`. Returns the whole text if nothing would be left.
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

/// A hasher for formatted text.
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

/// Records the error of a `Result` that is passed on.
pub trait OrRecord: Sized {
    /// Records the error, if there is one, and returns the result.
    ///
    /// A boxed `dyn Error` is not an `Error` itself. Record the error in the box:
    /// `.inspect_err(|error| errors.record(&**error))`.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::OrRecord;
    ///
    /// let errors = writer.errors("errors").add()?;
    /// let parsed = "x".parse::<u32>().or_record(errors);
    /// assert!(parsed.is_err());
    /// assert_eq!(errors.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[track_caller] // applies to the implementations, too
    #[must_use = "the result still has to be handled"]
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

impl Drop for Errors {
    fn drop(&mut self) {
        if let Some(storage) = &self.storage {
            self.table.get_mut().give_back(&**storage);
        }
    }
}

of_one_thread!(Errors);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Errors {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema.metric(code::ERRORS, label, options, GEOMETRY).scalar = Some(Scalar::U64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> Errors {
        let (words, owner) = binder.place(GEOMETRY);
        Errors {
            words,
            table: RefCell::new(ErrorTable::new()),
            hasher: hashing::random_state(),
            storage: binder.storage().cloned(),
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
