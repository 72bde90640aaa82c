//! Compound: a struct of numbers, updated as a whole.

pub mod value;

use super::field::{Binder, Describe, Field, Options, TakesBuffers};
use super::gauge::Numeric;
use super::gauge::merge::merge_numbers;
use super::kind::check_slot;
use super::kind::{Counts, Kind, Raw, code};
use super::value::Value;
use crate::format::bytes::words;
use crate::format::scalar::Scalar;
use crate::format::schema::{FieldSchema, Geometry, Merge, MetricSchema};
use crate::format::slot;
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::{Plain, PlainData, Slot, Width};
use std::fmt;
use std::marker::PhantomData;
use value::{CompoundValue, Numbers, value};

/// A struct of numbers whose fields always belong together: a reader sees all of an update or nothing of it,
/// and a writer that dies in the middle leaves the last complete value.
///
/// Publishing copies the struct into a buffer of the mapping: 64 bytes in about a nanosecond.
pub struct Compound<T>(Slot<ValueWidth<T>>);

/// A struct that a [`Compound`] can hold. `#[derive(MmValue)]` implements it for a `#[repr(C)]` struct of
/// integers, floats and arrays of them, of at most 512 bytes and without padding.
///
/// On a field, `#[mmstats(merge = "max")]` sets how the values of several files are merged (default: `sum`).
/// `#[mmstats(counter)]` marks numbers that never fall: exporters treat them as counters, and
/// [`Reader::deltas`](crate::reader::Reader::deltas) returns by how much they rose. All other fields are
/// levels.
///
/// ```
/// use mmstats::{Compound, MmStats, MmValue};
///
/// #[derive(MmStats)]
/// struct Web {
///     pool: Compound<Pool>,
/// }
///
/// #[derive(Clone, Copy, Default, MmValue)]
/// #[repr(C)]
/// struct Pool {
///     open: u32,
///     #[mmstats(merge = "max")]
///     largest: u32,
///     #[mmstats(counter)]
///     waits: u64,
/// }
///
/// let web = Web::builder().anonymous().create()?;
/// web.pool.update(|pool| {
///     pool.open += 1;
///     pool.waits += 1;
/// });
/// assert_eq!(web.pool.get().waits, 1);
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// # Safety
/// Every bit pattern is a value of the type, it has no padding, no pointers and no interior mutability, and
/// `FIELDS` describes its fields. The derive checks all of this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a Compound",
    label = "not an MmValue",
    note = "write #[derive(Clone, Copy, MmValue)] and #[repr(C)] on the struct"
)]
pub unsafe trait MmValue: Copy + 'static {
    #[doc(hidden)]
    const FIELDS: &'static [ValueField];

    /// Does nothing. The derive generates a call of it for every type that the `ValueElement` of its
    /// `crate = …` accepts. So the compiler rejects a `ValueElement` that accepts more types than this crate's.
    #[doc(hidden)]
    fn is_element<E: ValueElement>() {}
}

// SAFETY: `MmValue` promises all that `PlainData` requires.
unsafe impl<T: MmValue> PlainData for T {}

/// A type that certainly implements `MmValue`: the derive calls `is_element` of its impl.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct AnyValue(u8);

// SAFETY: a byte.
unsafe impl MmValue for AnyValue {
    const FIELDS: &'static [ValueField] = &[];
}

/// One field of an [`MmValue`], as the derive describes it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ValueField {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub scalar: Scalar,
    /// How many numbers the array has; 0 if the field is not an array.
    pub count: u16,
    /// Offset in the struct, in bytes.
    pub offset: u16,
    /// How the values of several files are merged.
    pub merge: Merge,
    /// Whether its numbers never fall.
    pub counter: bool,
}

/// The type of a field of an [`MmValue`]: a number of a fixed size, or an array of such numbers.
///
/// # Safety
/// Every bit pattern is a value of the type, which has no padding, and `SCALAR` and `COUNT` describe it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a compound value",
    label = "not a fixed-size number or an array of them",
    note = "write u8 to u64, i8 to i64, f32, f64 or an array of one of them; for a bool write u8"
)]
pub unsafe trait ValueElement {
    /// The type of its numbers.
    const SCALAR: Scalar;
    /// How many there are; 0 if the type is not an array.
    const COUNT: u16;
}

// SAFETY: these are numbers, for which every bit pattern is a value.
unsafe impl<T: Numeric> ValueElement for T {
    const SCALAR: Scalar = T::SCALAR;
    const COUNT: u16 = 0;
}

// SAFETY: as above.
unsafe impl<T: Numeric, const N: usize> ValueElement for [T; N] {
    const SCALAR: Scalar = T::SCALAR;
    // The derive rejects an empty array, and one that does not fit the 512 bytes of a value.
    const COUNT: u16 = N as u16;
}

/// A buffer holds the bytes of a T, rounded up to words.
#[derive(Clone, Copy, Debug)]
struct ValueWidth<T>(PhantomData<T>);

impl<T> Width for ValueWidth<T> {
    const WORDS: usize = size_of::<T>().div_ceil(8);
}

impl<T: MmValue> Compound<T> {
    /// Publishes a value.
    ///
    /// ```
    /// # use mmstats::{Compound, MmValue, MmStats};
    /// # #[derive(Clone, Copy, MmValue)] #[repr(C)] struct Pool { open: u32, idle: u32 }
    /// # #[derive(MmStats)] struct Web { pool: Compound<Pool> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.pool.set(Pool { open: 5, idle: 2 });
    /// assert_eq!(web.pool.get().idle, 2);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn set(&self, value: T) {
        let value = Plain(value);
        let bytes = bytemuck::bytes_of(&value);
        let word = |i: usize| {
            // A known length, so that each word is one load.
            if size_of::<T>().is_multiple_of(8) {
                u64::from_le_bytes(bytes[8 * i..][..8].try_into().expect("8 bytes"))
            } else {
                let part = &bytes[8 * i..bytes.len().min(8 * i + 8)];
                let mut word = [0; 8];
                word[..part.len()].copy_from_slice(part);
                u64::from_le_bytes(word)
            }
        };
        // A copy, because the compiler must assume that the stores below may change the handle.
        let slot = self.0;
        slot::publish(
            slot.sequence(),
            |p| slot.buffer(p),
            (0..ValueWidth::<T>::WORDS).map(word),
        );
    }

    /// Returns the value that was published last; zeros at first.
    ///
    /// ```
    /// # use mmstats::{Compound, MmValue, MmStats};
    /// # #[derive(Clone, Copy, MmValue)] #[repr(C)] struct Pool { open: u32, idle: u32 }
    /// # #[derive(MmStats)] struct Web { pool: Compound<Pool> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.pool.get().open, 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn get(&self) -> T {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.0.sequence().load(Ordering::Relaxed));
        let mut words = self
            .0
            .buffer(p)
            .iter()
            .map(|word| word.load(Ordering::Relaxed));
        from_words(&mut words)
    }

    /// Changes a copy of the value and publishes it when `change` returns. If `change` panics, nothing is
    /// published.
    ///
    /// ```
    /// # use mmstats::{Compound, MmValue, MmStats};
    /// # #[derive(Clone, Copy, MmValue)] #[repr(C)] struct Pool { open: u32, idle: u32 }
    /// # #[derive(MmStats)] struct Web { pool: Compound<Pool> }
    /// # let web = Web::builder().anonymous().create()?;
    /// let open = web.pool.update(|pool| {
    ///     pool.open += 1;
    ///     pool.idle += 1;
    ///     pool.open
    /// });
    /// assert_eq!(open, 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.get();
        let result = change(&mut value);
        self.set(value);
        result
    }
}

fn from_words<T: MmValue>(words: &mut dyn Iterator<Item = u64>) -> T {
    let mut value: Plain<T> = bytemuck::Zeroable::zeroed();
    for (part, word) in bytemuck::bytes_of_mut(&mut value).chunks_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
    }
    value.0
}

impl<T: MmValue + fmt::Debug> fmt::Debug for Compound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compound").field(&self.get()).finish()
    }
}

of_one_thread!(Compound<T>, T: MmValue);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl<T: MmValue> Field for Compound<T> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let geometry = Geometry::slot(ValueWidth::<T>::WORDS, options.buffers);
        let metric = schema.metric(code::COMPOUND, label, options, geometry);
        metric.parameter = size_of::<T>() as u32;
        metric.fields = schema_of::<T>().collect();
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Compound<T> {
        let geometry = Geometry::slot(ValueWidth::<T>::WORDS, options.buffers);
        Compound(Slot::new(binder.place(geometry).0, geometry.buffers.into()))
    }
}

fn schema_of<T: MmValue>() -> impl Iterator<Item = FieldSchema> {
    T::FIELDS.iter().map(|field| FieldSchema {
        name: field.name.to_owned(),
        scalar: field.scalar,
        count: (field.count > 0).then_some(field.count),
        offset: field.offset,
        merge: field.merge,
        counter: field.counter,
    })
}

impl<T: MmValue> TakesBuffers for Compound<T> {}

impl CompoundValue {
    /// Returns the value as a T. Fails if its fields are not those of T, or if a sum does not fit.
    pub(crate) fn to<T: MmValue>(&self) -> Result<T, String> {
        // The merge rule and the counter mark may differ: they say nothing about the bytes.
        let key =
            |field: &FieldSchema| (field.name.clone(), field.scalar, field.count, field.offset);
        if !self
            .schema
            .iter()
            .map(key)
            .eq(schema_of::<T>().map(|field| key(&field)))
        {
            return Err(format!(
                "its fields are {}, not those of {}",
                self.schema
                    .iter()
                    .map(|field| format!("{}: {:?}", field.name, field.scalar))
                    .collect::<Vec<_>>()
                    .join(", "),
                std::any::type_name::<T>(),
            ));
        }
        let bytes = self.to_bytes(size_of::<T>().next_multiple_of(8))?;
        Ok(from_words(&mut words(&bytes)))
    }
}

pub(super) static KIND: Kind = Kind {
    code: code::COMPOUND,
    name: "compound",
    count: |_| None,
    counts: Counts::All,
    check,
    decode,
    merge,
    since: Some(since),
    none: |schema| Value::Compound(value(schema, &vec![0; schema.geometry.words.into()])),
    fold,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Compound(compound) = value {
            compound.samples(unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    check_slot(schema, "a compound", 1..=64, 0)?;
    if schema.fields.is_empty() {
        return Err("a compound without fields".to_owned());
    }
    // Each field lies within the value (the decoding of the schema checks it). That their total size fits as
    // well bounds what is allocated for their numbers.
    let bytes: usize = schema
        .fields
        .iter()
        .map(|field| field.scalar.size() * value::len(field))
        .sum();
    let words = schema.geometry.words;
    if bytes > 8 * usize::from(words) {
        return Err(format!(
            "fields of {bytes} bytes in a compound of {words} words"
        ));
    }
    Ok(())
}

/// Leaves the difference of each field that is a counter; the others are left out.
fn since(now: &mut Value, before: &Value) {
    if let (Value::Compound(now), Value::Compound(before)) = (now, before) {
        *now = now.counted_since(before);
    }
}

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Compound(value(schema, raw.words))
}

/// As `merge`, but a sum that does not fit its field is an error, because it cannot be widened here.
fn fold(schema: &MetricSchema, into: &mut [u64], next: &[u64], files: u64) -> Result<(), String> {
    if files == 0 {
        into.copy_from_slice(next);
        return Ok(());
    }
    let mut merged = value(schema, into);
    merged.add(&value(schema, next), files);
    let bytes = merged.to_bytes(8 * into.len())?;
    for (word, new) in into.iter_mut().zip(words(&bytes)) {
        *word = new;
    }
    Ok(())
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, files: u64) {
    let (Value::Compound(merged), Value::Compound(mut next)) = (into, next) else {
        return;
    };
    if merged.schema == next.schema {
        merged.add(&next, files);
        return;
    }
    // The struct has changed. The result has the later file's fields, each merged with what the earlier files
    // had of it.
    let mut numbers = Vec::new();
    for (field, (name, array, mut of_field)) in next.schema.iter().zip(next.fields()) {
        let before = merged.field(name, array).unwrap_or_default();
        for (next, merged) in of_field.iter_mut().zip(before) {
            *next = merge_numbers(merged, *next, field.merge, files);
        }
        numbers.extend(of_field);
    }
    next.numbers = Numbers::Merged(numbers.into());
    *merged = next;
}
