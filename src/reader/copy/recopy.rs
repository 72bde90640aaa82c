//! Copies entries again whose contexts were replaced while they were copied, each with its context right
//! after it.
//!
//! Contexts are copied after everything that may refer to them. A writer at full speed goes round a ring in
//! microseconds. By then it has replaced many contexts, together with the entries that referred to them.
//! Copying one entry and its context takes much less time than a turn of the ring.
//!
//! A context that is found this way is kept beside the places, because another entry may refer to the
//! publication that was copied into the place before.

use super::RetryBudget;
use crate::metric::context::Reference;
use crate::reader::contents::{Contents, ExtentPlace, RecopiedContexts, Values};
use crate::reader::plan::PlannedSlot;
use crate::reader::source::ReadError;
use crate::sync::{Ordering, fence};

/// How often an entry is copied again for its context.
const TRIES: usize = 32;

/// Copies every entry again whose context is lost. `copy` tries once to copy a cell of the extent that begins
/// at the given word of the file; it returns the number of the publication and fills in its words.
pub fn recopy(
    contents: &mut Contents,
    left: &mut RetryBudget,
    mut copy: impl FnMut(usize, PlannedSlot, &mut Vec<u64>) -> Result<Option<u64>, ReadError>,
) -> Result<(), ReadError> {
    let Contents {
        instances,
        contexts,
        values,
        ..
    } = contents;
    if contexts.is_empty() {
        return Ok(());
    }
    // At most as much as all places take, so that what is kept is in proportion to the file.
    let most: usize = contexts.iter().map(|place| place.shape.value_words()).sum();
    let (mut entry, mut words) = (Vec::new(), Vec::new());
    for (number, instance) in instances.iter().enumerate() {
        if !instance.is_there() {
            continue;
        }
        let extents = instance
            .extents
            .iter()
            .filter(|extent| extent.shape.cells > 0);
        for (extent, cell) in
            extents.flat_map(|extent| extent.cells().map(move |cell| (extent, cell)))
        {
            for _ in 0..TRIES {
                let Some((_, place)) = lost(values, contexts, extent, cell) else {
                    break;
                };
                let context = place.cells().next().expect("a context has one cell");
                if !left.spend(cell) || !left.spend(context) {
                    return Ok(());
                }
                if let Some(p) = copy(extent.from, cell, &mut entry)? {
                    values.settle_cell(number, extent, cell, Some((p, &entry)));
                }
                // The entry may refer to another place by now.
                let Some((reference, place)) = lost(values, contexts, extent, cell) else {
                    break;
                };
                let context = place.cells().next().expect("a context has one cell");
                if values.again.words() + 1 + context.words > most {
                    return Ok(());
                }
                // Acquire: step 1 of the proof in `metric::context`. The context is read after the entry that
                // refers to it.
                fence(Ordering::Acquire);
                if let Some(p) = copy(place.from, context, &mut words)?
                    && reference.means(p)
                {
                    values.again.push(reference, p, &words);
                }
            }
        }
    }
    Ok(())
}

/// Returns the reference of a cell and the place that it refers to, if that place has another context and the
/// right one has not been kept.
fn lost<'a>(
    values: &Values,
    contexts: &'a [ExtentPlace],
    extent: &ExtentPlace,
    cell: PlannedSlot,
) -> Option<(Reference, &'a ExtentPlace)> {
    let words = &values.words[extent.at + cell.to..][..1 + cell.words];
    // 0: it has no value. In every entry with a reference this is the last word.
    let reference = Reference(*words.last().filter(|_| words[0] != 0)?);
    let number = reference.place()?;
    let first = contexts.partition_point(|place| place.number < number);
    let place = contexts.get(first).filter(|place| place.number == number)?;
    let sequence = values.words[place.at];
    let is_there = sequence != 0 && reference.means(sequence / 2);
    (!is_there && values.again.get(reference).is_none()).then_some((reference, place))
}

impl RecopiedContexts {
    /// Returns how many words are kept.
    fn words(&self) -> usize {
        self.words.len()
    }

    fn push(&mut self, reference: Reference, p: u64, words: &[u64]) {
        let at = self.words.len();
        self.words.push(2 * p);
        self.words.extend(words);
        self.places.insert(reference.0, at..self.words.len());
    }

    /// Returns the cell that a reference refers to.
    fn get(&self, reference: Reference) -> Option<&[u64]> {
        Some(&self.words[self.places.get(&reference.0)?.clone()])
    }
}
