//! The fields of a model: how a field describes itself to the schema and binds itself to its place.
//!
//! The derive generates two passes over the same fields in the same order. The first,
//! [`Field::describe`], adds each metric to a [`Schema`]. The second, [`Field::bind`], takes the places
//! one after another from the block of a new instance. Both get the same [`Options`].

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::kind::code;
use super::storage::Storage;
use super::window;
use crate::format::histogram::DEFAULT_DIGITS;
use crate::format::labels::Labels;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, Merge, MetricSchema, Schema};
use crate::sys::lifecycle::idle::Idle;
use crate::sys::memory::words::{Word, Words};

/// The attributes of a field.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub(crate) unit: &'a str,
    pub(crate) help: &'a str,
    pub(crate) digits: Option<u32>,
    pub(crate) merge: Merge,
    pub(crate) buffers: Option<u16>,
    pub(crate) prefix: &'a str,
    pub(crate) group_label: &'a str,
    pub(crate) window: Option<u64>,
    pub(crate) idle: Option<u64>,
}

impl<'a> Options<'a> {
    /// No attributes.
    pub const NONE: Options<'static> = Options {
        unit: "",
        help: "",
        digits: None,
        merge: Merge::Sum,
        buffers: None,
        prefix: "",
        group_label: "",
        window: None,
        idle: None,
    };

    /// Sets the unit.
    #[must_use]
    pub const fn unit(self, unit: &'a str) -> Options<'a> {
        Options { unit, ..self }
    }

    /// Sets the help text.
    #[must_use]
    pub const fn help(self, help: &'a str) -> Options<'a> {
        Options { help, ..self }
    }

    /// Sets the number of significant digits, 1 to 5.
    #[must_use]
    pub const fn digits(self, digits: u32) -> Options<'a> {
        Options {
            digits: Some(digits),
            ..self
        }
    }

    /// Sets the merge rule.
    #[must_use]
    pub const fn merge(self, merge: Merge) -> Options<'a> {
        Options { merge, ..self }
    }

    /// Sets the number of buffers, a power of two from 2 to 64.
    #[must_use]
    pub const fn buffers(self, buffers: u16) -> Options<'a> {
        Options {
            buffers: Some(buffers),
            ..self
        }
    }

    /// Sets the length of the window in nanoseconds.
    #[must_use]
    pub const fn window(self, nanos: u64) -> Options<'a> {
        Options {
            window: Some(nanos),
            ..self
        }
    }

    /// Sets the time-out, in nanoseconds, of groups that are not written.
    #[must_use]
    pub const fn idle(self, nanos: u64) -> Options<'a> {
        Options {
            idle: Some(nanos),
            ..self
        }
    }

    /// Sets the prefix for the labels of groups.
    #[must_use]
    pub const fn prefix(self, prefix: &'a str) -> Options<'a> {
        Options { prefix, ..self }
    }

    /// Sets the key for the names of groups.
    #[must_use]
    pub const fn group_label(self, group_label: &'a str) -> Options<'a> {
        Options {
            group_label,
            ..self
        }
    }
}

/// A type that a field of a model may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a stats model",
    label = "not a metric",
    note = "write Counter, UpDown, Gauge<T>, Flag, Text<N>, Timer, Percentile, Percentile<f64>, Summary, Average, MovingAverage<N>, SamplingCounter<N>, History<N>, Errors, Compound<T>, Groups<T>, a model of your own with #[derive(MmStats)], or Constant<T> with #[mmstats(value = …)]"
)]
///
/// # Safety
/// Everything that `bind` keeps of the binder (views of the mapping, the file itself) is in the value
/// that it returns. Safe code cannot clone that value or move it out of a `&Self`, so nothing kept
/// outlives the file. Apart from that, the value contains nothing that is bound to a thread.
pub unsafe trait Field {
    /// Returns whether the field has groups, which can be removed.
    #[inline(always)]
    fn has_groups() -> bool
    where
        Self: Sized,
    {
        false
    }
    /// Adds the field to the schema.
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>)
    where
        Self: Sized;
    /// Takes the field's place from the block of an instance.
    fn bind(binder: &mut Binder<'_>, label: &str, options: Options<'_>) -> Self
    where
        Self: Sized;
    /// Runs the user's code that the field needs (`value = …` of a nested model) and returns the
    /// function that binds the field. It is called before anything is appended, because that code may
    /// panic or use the same file.
    fn prepare() -> impl FnOnce(&mut Binder<'_>, &str, Options<'_>) -> Self
    where
        Self: Sized,
    {
        Self::bind
    }
}

/// A field whose value is set once: `Constant<T>`.
#[diagnostic::on_unimplemented(
    message = "`value = …` goes with a field of type Constant<T>, not `{Self}`",
    label = "not a Constant"
)]
///
/// # Safety
/// As for [`Field`].
pub unsafe trait ConstantField {
    /// The type of its value.
    type Value;
    /// Adds the field to the schema.
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>)
    where
        Self: Sized;
    /// Takes the field's place and stores its value there.
    fn bind(binder: &mut Binder<'_>, value: Self::Value) -> Self
    where
        Self: Sized;
}

/// A type that only the traits `Field` and `ConstantField` of this crate produce. The derive names it
/// with the traits that its code calls. So the compiler rejects a `crate = …` that leads to other traits
/// of the same names, which would get the binder.
pub type FieldTraits = fn(&dyn Field, &dyn ConstantField<Value = ()>);

/// A field that takes `digits = …`.
#[diagnostic::on_unimplemented(
    message = "`digits = …` goes with Timer and Percentile, not `{Self}`",
    label = "has no digits"
)]
pub trait TakesDigits {}

/// A field that takes `merge = …`.
#[diagnostic::on_unimplemented(
    message = "`merge = …` goes with Gauge<T> (and with the fields of a Compound's struct), not `{Self}`",
    label = "is always merged in one way"
)]
pub trait TakesMerge {}

/// A field that takes `buffers = …`.
#[diagnostic::on_unimplemented(
    message = "`buffers = …` goes with fields wider than a word (Compound, Text, Timer, Percentile, Summary, Average, …), not `{Self}`",
    label = "has no buffers: it is a single word"
)]
pub trait TakesBuffers {}

/// A field that takes `unit = …`.
#[diagnostic::on_unimplemented(
    message = "`unit = …` goes with a numeric field, not `{Self}` (a Timer is always in seconds)",
    label = "has no unit"
)]
pub trait TakesUnit {}

/// A field that takes `prefix = …`.
#[diagnostic::on_unimplemented(
    message = "`prefix = …` goes with Groups<T>, not `{Self}`",
    label = "use `label = …` for another label"
)]
pub trait TakesPrefix {}

/// A field that takes `group_label = …`.
#[diagnostic::on_unimplemented(
    message = "`group_label = …` goes with Groups<T>, whose groups have names, not `{Self}`",
    label = "has no groups with names"
)]
pub trait TakesGroupLabel {}

/// A field that takes `window = …`.
#[diagnostic::on_unimplemented(
    message = "`window = …` goes with Counter, Summary, Timer and Percentile, not `{Self}`",
    label = "has no window"
)]
pub trait TakesWindow {}

/// A field that takes `idle = …`.
#[diagnostic::on_unimplemented(
    message = "`idle = …` goes with Groups<T>, not `{Self}`",
    label = "has no groups"
)]
pub trait TakesIdle {}

/// A schema under construction.
#[derive(Debug, Default)]
pub struct Describe {
    schema: Schema,
    prefix: String,
}

impl Describe {
    /// Returns the schema of a model.
    pub(crate) fn model(
        name: &str,
        help: &str,
        type_path: &str,
        fields: impl FnOnce(&mut Describe),
    ) -> Schema {
        let mut describe = Describe::default();
        describe.schema.model = name.to_owned();
        describe.schema.help = help.to_owned();
        describe.schema.type_path = type_path.to_owned();
        fields(&mut describe);
        describe.schema
    }

    /// Describes the fields of a nested model, whose labels begin with `<label>.`.
    pub fn nested(&mut self, label: &str, fields: impl FnOnce(&mut Describe)) {
        let len = self.prefix.len();
        self.prefix.push_str(label);
        self.prefix.push('.');
        fields(self);
        self.prefix.truncate(len);
    }

    /// Adds a metric.
    pub(crate) fn metric(
        &mut self,
        kind: u16,
        label: &str,
        options: Options<'_>,
        geometry: Geometry,
    ) -> &mut MetricSchema {
        self.schema.push(MetricSchema {
            label: format!("{}{label}", self.prefix),
            unit: options.unit.to_owned(),
            help: options.help.to_owned(),
            kind,
            scalar: None::<Scalar>,
            merge: options.merge,
            offset: 0,
            geometry,
            parameter: 0,
            fields: Arc::default(),
        });
        self.schema.metrics.last_mut().expect("just pushed")
    }

    /// Adds the window of a metric of the kind `kind`.
    pub(crate) fn window(
        &mut self,
        kind: u16,
        label: &str,
        options: Options<'_>,
        geometry: Geometry,
    ) {
        let label = format!("{label}{}", window::SUFFIX);
        let metric = self.metric(code::WINDOW, &label, options, geometry);
        metric.parameter = window::parameter(kind, options.digits.unwrap_or(DEFAULT_DIGITS));
    }
}

/// The place of a metric's window.
pub(crate) struct WindowPlace {
    /// The slot.
    pub slot: Words,
    /// The plain words.
    pub plain: Words,
    /// Buffers of the slot.
    pub buffers: u16,
    /// Offset of the place in the file.
    pub owner: u32,
    /// Nanoseconds of the window.
    pub nanos: u64,
}

/// A group with a name, as the instances within it see it.
#[derive(Clone, Debug)]
pub struct EnclosingName {
    /// The key that exporters use for its name.
    pub key: String,
    /// Where the name is in the prefix of their labels. A dot follows it.
    pub at: Range<usize>,
}

/// Hands out the places of one instance's block, in the order of the schema.
pub struct Binder<'a> {
    /// The file; `None` for private memory, which cannot grow.
    storage: Option<&'a Rc<dyn Storage>>,
    block: Words,
    /// Offset of the block in the file.
    offset: u32,
    /// The next place, in words.
    next: usize,
    /// The prefix of the labels of groups within the instance.
    prefix: String,
    /// The labels that groups within the instance have as well.
    labels: Labels,
    /// The group that the instance is, if it has a name.
    named: Option<EnclosingName>,
    /// When the instance, and the groups around it, are idle.
    idle: Vec<Idle>,
    /// The places of windows, which change with the clock, not only by a write.
    windows: Vec<Range<usize>>,
}

impl<'a> Binder<'a> {
    /// Returns a binder for the block `block` at `offset` of the file. All of its labels begin with
    /// `prefix`.
    pub(crate) fn new(
        storage: Option<&'a Rc<dyn Storage>>,
        block: Words,
        offset: u32,
        prefix: &str,
    ) -> Binder<'a> {
        Binder {
            storage,
            block,
            offset,
            next: 0,
            prefix: prefix.to_owned(),
            labels: Labels::new(),
            named: None,
            idle: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// Sets the labels of the instance, which groups within it have as well.
    pub(crate) fn labelled(self, labels: Labels) -> Binder<'a> {
        Binder { labels, ..self }
    }

    /// Sets the group that the instance is, if it has a name.
    pub(crate) fn named(self, named: Option<EnclosingName>) -> Binder<'a> {
        Binder { named, ..self }
    }

    /// Makes the instance end when it, or a group around it, is idle.
    pub(crate) fn idle(self, idle: Vec<Idle>) -> Binder<'a> {
        Binder { idle, ..self }
    }

    /// Binds the fields of a nested model.
    pub fn nested<R>(&mut self, label: &str, fields: impl FnOnce(&mut Self) -> R) -> R {
        let len = self.prefix.len();
        if self.storage.is_some() {
            // Without a file no label is ever formed, and nothing may be allocated.
            self.prefix.push_str(label);
            self.prefix.push('.');
        }
        let bound = fields(self);
        self.prefix.truncate(len);
        bound
    }

    /// Takes the next place. Returns it and its offset in the file.
    pub(crate) fn place(&mut self, geometry: Geometry) -> (Words, u32) {
        let words = self.block.part(self.next, geometry.total_words());
        let offset = self.offset + 8 * self.next as u32;
        self.next += geometry.total_words();
        (words, offset)
    }

    /// Takes the next place for a metric's window, if it has one. `None` also if no reader can see it.
    pub(crate) fn window(
        &mut self,
        options: Options<'_>,
        geometry: Geometry,
    ) -> Option<WindowPlace> {
        let nanos = options.window?;
        let (words, owner) = self.place(geometry);
        if !self.idle.is_empty() {
            self.windows.push(self.next - words.len()..self.next);
        }
        // Private memory has no readers, and nothing may be allocated to bind it.
        self.storage?;
        Some(WindowPlace {
            slot: words.part(0, geometry.slot_words()),
            plain: words.part(geometry.slot_words(), geometry.plain.into()),
            buffers: geometry.buffers,
            owner,
            nanos,
        })
    }

    /// Takes the next place, a single word.
    pub(crate) fn word(&mut self) -> Word {
        self.place(Geometry::WORD).0.word(0)
    }

    /// Takes the next place, a word that becomes zero when its thread ends.
    pub(crate) fn level(&mut self) -> Word {
        let word = self.word();
        if let Some(storage) = self.storage {
            storage.reset_at_thread_end(word);
        }
        word
    }

    /// Returns the file.
    pub(crate) fn storage(&self) -> Option<&Rc<dyn Storage>> {
        self.storage
    }

    /// Returns the labels that groups here have beside their own.
    pub(crate) fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// Returns the group that the instance is, if it has a name.
    pub(crate) fn named_group(&self) -> Option<&EnclosingName> {
        self.named.as_ref()
    }

    /// Returns when the instance, and the groups around it, are idle.
    pub(crate) fn idle_groups(&self) -> &[Idle] {
        &self.idle
    }

    /// Returns the words bound so far, without those of windows.
    pub(crate) fn written(&self) -> Box<[Words]> {
        let begins = std::iter::once(0).chain(self.windows.iter().map(|window| window.end));
        let ends = self.windows.iter().map(|window| window.start);
        let parts = begins.zip(ends.chain([self.next]));
        parts
            .map(|(begin, end)| self.block.part(begin, end - begin))
            .collect()
    }

    /// Returns the prefix of the labels of groups here.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}
