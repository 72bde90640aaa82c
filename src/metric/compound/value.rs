//! The value of a Compound.

use std::sync::Arc;

use crate::format::scalar::Number;
use crate::format::schema::{FieldSchema, MetricSchema};
use crate::metric::gauge::merge::merge_numbers;
use crate::metric::sample::{Reading, Sample, Sink};

/// A compound value as a reader returns it: fields by name, with integers widened where sums over many files
/// need it.
///
/// From one file it takes as much memory as the struct; merged over several, up to 32 bytes for each number.
#[derive(Clone, Debug)]
pub struct CompoundValue {
    pub(super) schema: Arc<[FieldSchema]>,
    pub(super) numbers: Numbers,
}

/// The numbers of all fields.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// The words of the struct, as they are in a file. As [`Number`]s an array of bytes would take 32 times
    /// as much.
    Own(Box<[u64]>),
    /// Merged, one after another.
    Merged(Box<[Number]>),
}

/// Equal if the fields and their numbers are equal, however they are stored.
impl PartialEq for CompoundValue {
    fn eq(&self, other: &CompoundValue) -> bool {
        self.schema == other.schema && self.numbers().eq(other.numbers())
    }
}

/// Returns how many numbers a field has.
pub(super) fn len(field: &FieldSchema) -> usize {
    usize::from(field.count.unwrap_or(1))
}

impl CompoundValue {
    /// Returns the fields in order: the name, whether it is an array, and its numbers (one if it is not).
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let pool = snapshot.get("every-kind", "pool").unwrap();
    /// if let mmstats::Value::Compound(pool) = pool {
    ///     let names: Vec<&str> = pool.fields().map(|(name, ..)| name).collect();
    ///     assert!(names.contains(&"open"));
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&str, bool, Vec<Number>)> {
        let mut numbers = self.numbers();
        self.schema.iter().map(move |field| {
            let of_field = numbers.by_ref().take(len(field)).collect();
            (&*field.name, field.count.is_some(), of_field)
        })
    }

    /// Returns the numbers of all fields, one after another.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> {
        let own = match &self.numbers {
            Numbers::Own(words) => Some(own(&self.schema, words)),
            Numbers::Merged(_) => None,
        };
        let merged = match &self.numbers {
            Numbers::Merged(numbers) => &numbers[..],
            Numbers::Own(_) => &[],
        };
        own.into_iter().flatten().chain(merged.iter().copied())
    }

    /// Returns the numbers of the field with this name that is an array, or is not, as `array` says.
    pub(super) fn field(&self, name: &str, array: bool) -> Option<Vec<Number>> {
        let mut fields = self.fields();
        let (.., numbers) =
            fields.find(|(found, is_array, _)| (*found, *is_array) == (name, array))?;
        Some(numbers)
    }

    /// Merges the value of one more file, with the same fields.
    pub(super) fn add(&mut self, next: &CompoundValue, files: u64) {
        let rules = next
            .schema
            .iter()
            .flat_map(|field| std::iter::repeat_n(field.merge, field.count.map_or(1, usize::from)));
        let both = self.numbers().zip(next.numbers()).zip(rules);
        let merged = both.map(|((merged, next), rule)| merge_numbers(merged, next, rule, files));
        self.numbers = Numbers::Merged(merged.collect());
    }

    /// Returns the fields that are counters, each minus its number in the earlier value. Where that number is
    /// greater, it is not an earlier state of the same counter, and the result is 0.
    pub(super) fn counted_since(&self, before: &CompoundValue) -> CompoundValue {
        let mut schema = Vec::new();
        let mut numbers = Vec::new();
        let fields = self.schema.iter().zip(self.fields());
        for (field, (name, array, now)) in fields.filter(|(field, _)| field.counter) {
            let before = before.field(name, array).unwrap_or_default();
            let before = before.into_iter().chain(std::iter::repeat(Number::Int(0)));
            schema.push(field.clone());
            numbers.extend(now.into_iter().zip(before).map(|pair| match pair {
                (Number::Int(now), Number::Int(before)) => Number::Int((now - before).max(0)),
                // (`max` turns a NaN into 0.)
                (now, before) => Number::Float((now.as_f64() - before.as_f64()).max(0.0)),
            }));
        }
        CompoundValue {
            schema: schema.into(),
            numbers: Numbers::Merged(numbers.into()),
        }
    }

    /// Returns the `len` bytes of the struct. Fails if a sum does not fit.
    pub(super) fn to_bytes(&self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0u8; len];
        for (field, (_, _, numbers)) in self.schema.iter().zip(self.fields()) {
            let size = field.scalar.size();
            for (number, at) in numbers
                .into_iter()
                .zip((usize::from(field.offset)..).step_by(size))
            {
                let word = field.scalar.word(number).ok_or_else(|| {
                    format!(
                        "the sum {number:?} of its field {} does not fit {:?}",
                        field.name, field.scalar
                    )
                })?;
                bytes[at..at + size].copy_from_slice(&word.to_le_bytes()[..size]);
            }
        }
        Ok(bytes)
    }
}

impl CompoundValue {
    /// Calls `each` with every field, and with every element of an array: counters are cumulative, the others
    /// are levels.
    pub(super) fn samples(&self, unit: &str, each: &mut Sink<'_>) {
        for (field, (name, array, numbers)) in self.schema.iter().zip(self.fields()) {
            let reading = match field.counter {
                true => Reading::Cumulative,
                false => Reading::Level,
            };
            if array {
                for (i, number) in numbers.into_iter().enumerate() {
                    each(Sample::exported(
                        &format!("{name}.{i}"),
                        unit,
                        reading(number),
                    ));
                }
            } else {
                each(Sample::exported(name, unit, reading(numbers[0])));
            }
        }
    }
}

pub(super) fn value(schema: &MetricSchema, words: &[u64]) -> CompoundValue {
    CompoundValue {
        schema: schema.fields.clone(),
        numbers: Numbers::Own(words.into()),
    }
}

/// Returns the numbers of the fields in the words of a struct.
fn own<'a>(fields: &'a [FieldSchema], words: &'a [u64]) -> impl Iterator<Item = Number> + 'a {
    fields.iter().flat_map(move |field| {
        let size = field.scalar.size();
        (0..len(field)).map(move |i| {
            let at = usize::from(field.offset) + size * i;
            field.scalar.number(unaligned(words, at))
        })
    })
}

/// Returns the eight bytes from byte `at` on; zeros beyond the end.
fn unaligned(words: &[u64], at: usize) -> u64 {
    let word = |i: usize| u128::from(words.get(i).copied().unwrap_or(0));
    ((word(at / 8) | word(at / 8 + 1) << 64) >> (8 * (at % 8))) as u64
}
