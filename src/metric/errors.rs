//! Errors: each distinct one once, with how often, when first and when last.
//!
//! A distinct error is a part of the file (`format::part`): a cell of two buffers with what changes, and
//! plain words with what it is, which are written before the part is published and never change. The
//! handle finds it by a hash of its kind, name, site and message, so that one that is known costs the
//! formatting of its message into the hash, and no allocation.

use std::any::type_name;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::{self, Debug, Display, Write};
use std::hash::{BuildHasher, Hasher};
use std::panic::Location;
use std::rc::Rc;

use super::Value;
use super::context::{Context, Found, Reference};
use super::field::{Binder, Describe, Field, Options};
use super::kind::{Counts, Kind, Parts, Raw, code};
use super::space::Space;
use crate::format::bytes::{cut, words};
use crate::format::part::{Part, Shape};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
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
/// under `errors__all`, and as [`overflow`](ErrorsValue::overflow).
///
/// The *type* is the last part of the path of the static type. Of a `dyn Error` it is the identifier
/// with which its `Debug` text begins, else `dyn`.
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

/// What changes: count, first time, last time, context.
#[derive(Clone, Copy, Debug)]
struct Changing;

impl Width for Changing {
    const WORDS: usize = 4;
}

const BUFFERS: usize = 2;

/// Distinct errors of one metric in one file.
const MOST: usize = 256;
/// Bytes that are kept of a name (or site), of a message, and of all causes.
const NAME_MOST: usize = 256;
const MESSAGE_MOST: usize = 1024;
const SOURCES_MOST: usize = 2048;
/// Causes that are looked at: a chain may go in circles.
const SOURCES: usize = 16;

/// Two words: all, and those that are not among the distinct ones.
const GEOMETRY: Geometry = Geometry {
    buffers: 0,
    words: 0,
    plain: 2,
};

pub(super) static PARTS: Parts = Parts {
    is_part: |shape| shape == shape_of(shape.plain as usize) && shape.plain >= 2,
    fold: Some(fold_part),
};

/// Adds up what changes. The table of a retired file is bounded, too, and it has no contexts.
fn fold_part(
    words: &mut [u64],
    into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
    plain: &[u64],
    cell: &[u64],
) {
    let &[count, first, last, context] = cell else {
        return;
    };
    let context = match Reference(context) {
        Reference::NONE => Reference::NONE,
        _ => Reference::LOST,
    };
    let next = vec![count, first, last, context.0];
    if let Some(had) = into.get_mut(plain) {
        had[0] = had[0].saturating_add(count);
        had[1] = had[1].min(first);
        if last > had[2] || had[3] == Reference::NONE.0 {
            had[3] = context.0;
        }
        had[2] = had[2].max(last);
    } else if into.len() < MOST {
        into.insert(plain.to_vec(), next);
    } else {
        words[1] = words[1].saturating_add(count);
    }
}

/// A part with so many plain words.
fn shape_of(plain: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: Changing::WORDS as u16,
        plain: plain as u32,
    }
}

/// What an error is called.
#[derive(Clone, Copy)]
struct Name<'a> {
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
        let name = Name {
            text: static_type::<E>().unwrap_or_else(|| leading.of(error)),
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
        // Before anything is borrowed: the texts are made by code of others.
        let text = Text::new(name, site, message, source);
        let backtrace = match context {
            None => captured(),
            Some(_) => None,
        };
        let context = context.or(backtrace.as_ref().map(String::as_bytes));
        let entered = match (&self.space, self.known.try_borrow_mut()) {
            (Some(space), Ok(mut table)) if table.len() < MOST && self.may_ask() => self
                .enter(&**space, table.len(), &text, context)
                .map(|known| drop(table.insert(hash, known))),
            _ => None,
        };
        if entered.is_none() {
            increment(&self.overflow);
        }
    }

    /// A full file is asked again at every power of two of the errors that had no room.
    fn may_ask(&self) -> bool {
        let refused = self.overflow.load(Ordering::Relaxed);
        refused == 0 || refused.is_power_of_two()
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
    (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string())
}

/// A hash of formatted text.
struct Hashing<H>(H);

impl<H: Hasher> Write for Hashing<H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The last part of the path of a type, without its parameters; `None` for a `dyn`, boxed or not.
fn static_type<E: ?Sized>() -> Option<&'static str> {
    let mut name = type_name::<E>();
    loop {
        name = match name.strip_prefix('&').or(name.strip_prefix("mut ")) {
            Some(rest) => rest,
            None => break,
        };
    }
    let inner = name.strip_prefix("alloc::boxed::Box<").unwrap_or(name);
    if inner.starts_with("dyn ") {
        return None;
    }
    let path = name.split('<').next().unwrap_or(name);
    Some(path.rsplit("::").next().unwrap_or(path))
}

/// The identifier with which a `Debug` text begins.
#[derive(Default)]
struct Leading {
    bytes: [u8; 32],
    len: usize,
}

impl Leading {
    fn of<E: Debug + ?Sized>(&mut self, error: &E) -> &str {
        // An error ends the formatting where the identifier does.
        let _ = write!(self, "{error:?}");
        match std::str::from_utf8(&self.bytes[..self.len]) {
            Ok(name) if !name.is_empty() => name,
            _ => "dyn",
        }
    }
}

impl Write for Leading {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let belongs = byte == b'_'
                || byte.is_ascii_alphabetic()
                || (self.len > 0 && byte.is_ascii_digit());
            if !belongs || self.len == self.bytes.len() {
                return Err(fmt::Error);
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

impl Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errors({})", self.count())
    }
}

/// What an error is: what does not change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text {
    name: String,
    is_note: bool,
    message: String,
    site: String,
    /// One a line.
    sources: String,
}

impl Text {
    fn new(
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
            name: kept(name.text.to_owned(), NAME_MOST),
            is_note: name.is_note,
            message: kept(formatted(message), MESSAGE_MOST),
            site: kept(site.map_or(String::new(), Location::to_string), NAME_MOST),
            sources: kept(sources, SOURCES_MOST),
        }
    }

    /// The plain words of a part: the lengths in 16 bits each, whether it is a note, and the texts.
    fn to_words(&self) -> Vec<u64> {
        let texts = [&self.name, &self.site, &self.message, &self.sources];
        let lengths = (texts.iter().rev()).fold(0, |all, text| all << 16 | text.len() as u64);
        let all = texts.map(|text| text.as_str()).concat();
        [lengths, self.is_note.into()]
            .into_iter()
            .chain(words(all.as_bytes()))
            .collect()
    }

    /// From the plain words of a part. Nothing in them is trusted.
    fn from_words(words: &[u64]) -> Option<Text> {
        let (&[lengths, note], words) = words.split_first_chunk()?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut text = |number: u32| {
            let len = (lengths >> (16 * number)) as u16 as usize;
            let (text, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            String::from_utf8_lossy(text).into_owned()
        };
        let (name, site, message, sources) = (text(0), text(1), text(2), text(3));
        Some(Text {
            name,
            is_note: note & 1 != 0,
            message,
            site,
            sources,
        })
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
    #[track_caller]
    #[must_use = "the result is still to be looked at"]
    fn or_record(self, errors: &Errors) -> Self;
}

impl<T, E: Error> OrRecord for Result<T, E> {
    #[track_caller]
    fn or_record(self, errors: &Errors) -> Result<T, E> {
        if let Err(error) = &self {
            errors.record(error);
        }
        self
    }
}

impl Field for Errors {
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

pub(super) static KIND: Kind = Kind {
    code: code::ERRORS,
    name: "errors",
    counts: Counts::All,
    check,
    decode: |_, raw| Value::Errors(Box::new(decode(raw))),
    merge: |into, next, _, _| {
        if let (Value::Errors(merged), Value::Errors(next)) = (into, next) {
            merged.merge(*next);
        }
    },
    none: |_| Value::Errors(Box::default()),
    fold: |_, into, next, _| {
        for (word, next) in into.iter_mut().zip(next) {
            *word = word.saturating_add(*next);
        }
        Ok(())
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != GEOMETRY {
        return Err(format!("{:?} where two words are wanted", schema.geometry));
    }
    Ok(())
}

fn decode(raw: Raw<'_>) -> ErrorsValue {
    let mut distinct: Vec<DistinctError> = (raw.parts.iter())
        .filter_map(|(_, words)| {
            let (&[sequence, count, first, last, context], text) = words.split_first_chunk()?;
            // 0: it has its place, and was not published yet.
            (sequence != 0).then_some(())?;
            Some(DistinctError {
                text: Text::from_words(text)?,
                count,
                first,
                last,
                context: raw.contexts.find(Reference(context)),
            })
        })
        .collect();
    distinct.sort_by(|a, b| a.text.cmp(&b.text));
    let mut value = ErrorsValue {
        all: raw.words[0],
        overflow: raw.words[1],
        distinct: Vec::with_capacity(distinct.len()),
    };
    // A writer has none twice, but a file may say anything.
    distinct.into_iter().for_each(|error| value.push(error));
    value
}

/// What an [`Errors`] says, of one file or merged over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorsValue {
    all: u64,
    overflow: u64,
    /// Sorted by what they are.
    distinct: Vec<DistinctError>,
}

/// One distinct error.
#[derive(Clone, Debug, PartialEq)]
pub struct DistinctError {
    text: Text,
    count: u64,
    first: u64,
    last: u64,
    context: Found,
}

impl DistinctError {
    /// The type of an error, or the name of a note.
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// Whether it is a note.
    pub fn is_note(&self) -> bool {
        self.text.is_note
    }

    /// What follows `errors__` in its label: `EXC:<type>`, or the name of a note.
    pub fn exposed_as(&self) -> String {
        let prefix = if self.is_note() { "" } else { "EXC:" };
        format!("{prefix}{}", self.name())
    }

    /// Its message; of a note empty.
    pub fn message(&self) -> &str {
        &self.text.message
    }

    /// Where it was recorded: file, line and column; of a note empty.
    pub fn site(&self) -> &str {
        &self.text.site
    }

    /// What caused it, the nearest first.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.text.sources.lines()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the first was recorded: nanoseconds since 1970-01-01 UTC.
    pub fn first_ns(&self) -> u64 {
        self.first
    }

    /// When the last was recorded: nanoseconds since 1970-01-01 UTC.
    pub fn last_ns(&self) -> u64 {
        self.last
    }

    /// The backtrace of the first error; of a note the context that was given last.
    pub fn context(&self) -> Option<&Context> {
        self.context.context().map(|context| &**context)
    }

    /// Whether it had a context that is not there: there was no space for it.
    pub fn has_lost_context(&self) -> bool {
        self.context == Found::Lost
    }

    fn merge(&mut self, other: DistinctError) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        if other.last > self.last || self.context == Found::Nothing {
            self.context = other.context;
        }
        self.last = self.last.max(other.last);
    }
}

impl ErrorsValue {
    /// How many were recorded.
    pub fn all(&self) -> u64 {
        self.all
    }

    /// How many of them are not among the distinct ones: the table was full, or the file.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The distinct ones, by name.
    pub fn distinct(&self) -> &[DistinctError] {
        &self.distinct
    }

    /// Adds one that does not come before the last one.
    fn push(&mut self, error: DistinctError) {
        match self.distinct.last_mut() {
            Some(last) if last.text == error.text => last.merge(error),
            _ => self.distinct.push(error),
        }
    }

    fn merge(&mut self, other: ErrorsValue) {
        self.all = self.all.saturating_add(other.all);
        self.overflow = self.overflow.saturating_add(other.overflow);
        let mut a = std::mem::take(&mut self.distinct).into_iter().peekable();
        let mut b = other.distinct.into_iter().peekable();
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(one), Some(two)) if two.text < one.text => b.next(),
                (Some(_), _) => a.next(),
                (None, _) => b.next(),
            };
            match next {
                Some(error) => self.push(error),
                None => break,
            }
        }
    }

    /// Calls `each` with every text, which came from a file.
    pub(crate) fn each_text(&mut self, mut each: impl FnMut(&mut String)) {
        for Text {
            name,
            message,
            site,
            sources,
            ..
        } in self.distinct.iter_mut().map(|error| &mut error.text)
        {
            [name, message, site].into_iter().for_each(&mut each);
            // A line is a cause.
            let mut lines: Vec<String> = sources.lines().map(str::to_owned).collect();
            lines.iter_mut().for_each(&mut each);
            *sources = lines.join("\n");
        }
    }

    /// See [`Value::expose`].
    pub(crate) fn expose(&self, each: &mut dyn FnMut(&str, Value)) {
        each("all", Value::Counter(self.all));
        let mut names: BTreeMap<String, u64> = Default::default();
        for error in &self.distinct {
            let sum = names.entry(error.exposed_as()).or_default();
            *sum = sum.saturating_add(error.count);
        }
        for (name, count) in names {
            each(&name, Value::Counter(count));
        }
    }
}
