//! Instances that come and go: groups that can be removed, after which their space is used again.
//!
//! A pass loads the generation of such an instance before and after it copies the values, by the protocol of
//! [`generation`]. If the generation changes in between, the instance is left out of this pass: its series
//! has just ended.

use super::{Contents, check_labels, start, texts};
use crate::format::generation;
use crate::format::labels::{self, LABELS_MOST};
use crate::format::record::{FIXED_FOR_EVER, Head};
use crate::reader::identity::Identity;
use crate::reader::source::{Access, ReadError};

/// The generation of an instance that can be removed.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// Where it lies, in words of the file.
    word: usize,
    /// Where the record begins.
    record: u64,
    /// The generation of the decoded texts; [`NONE`] if there are none.
    known: u64,
    /// Whether these texts are invalid.
    wrong: bool,
    /// Returns whether the instance was there in the last pass.
    there: bool,
}

/// Not the generation of any group that is there, because it is odd.
const NONE: u64 = u64::MAX;

impl Generation {
    /// Returns the bytes of the record before the word.
    fn room(self) -> usize {
        8 * self.word - self.record as usize
    }

    /// Returns the maximum number of bytes of its texts.
    fn texts_most(self) -> usize {
        self.room() - super::FIXED
    }

    /// Returns the maximum length of its label texts beside the metric's label.
    pub fn label_most(self) -> usize {
        // Each byte may be escaped, and the characters around a pair take at most twice its space in the
        // table.
        2 * self.texts_most() + 2
    }

    /// Returns how many label pairs it can have at most.
    pub fn pairs_most(self) -> usize {
        LABELS_MOST.min(self.texts_most() / labels::PAIR)
    }

    /// Distinguishes the instance from all others of its file, and from later ones in the same space.
    #[cfg(feature = "push")]
    pub fn incarnation(self) -> (u64, u64) {
        (self.record, self.known)
    }

    /// Returns whether the instance was there in the last pass.
    pub fn is_there(self) -> bool {
        self.there
    }
}

impl Contents {
    /// Decodes what cannot change in the record of an instance whose texts may change.
    pub(super) fn removable(
        &mut self,
        access: &Access<'_>,
        at: u64,
        head: Head,
    ) -> Result<(), ReadError> {
        let fixed = start(access, at, head.len, FIXED_FOR_EVER)?;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| fixed[at + i]));
        // The word lies between the lengths of the texts and the block.
        let (plan, block) = self.placed(at, head, super::FIXED + 8, number(8), number(12))?;
        let generation = Generation {
            word: block - 1,
            record: at,
            known: NONE,
            wrong: false,
            there: false,
        };
        let texts = generation.room();
        self.add(
            at,
            plan,
            block,
            Identity::default(),
            texts,
            Some(generation),
        )
    }

    /// Loads all generations a first time, before the values are copied. Marks removed instances as no longer
    /// there, and decodes the texts of new ones.
    ///
    /// `before` holds the values of the last snapshot, if they are kept. They are set to zero for a new
    /// instance.
    pub fn renew(
        &mut self,
        access: &Access<'_>,
        mut before: Option<&mut Vec<u64>>,
    ) -> Result<(), ReadError> {
        if self.removable.is_empty() {
            return Ok(());
        }
        let mut generations = std::mem::take(&mut self.generations);
        self.look(access, &mut generations)?;
        generation::after_first_look();
        for (index, &now) in generations.iter().enumerate() {
            let number = self.removable[index];
            let instance = &mut self.instances[number];
            let known = instance.generation.as_mut().expect("it can be removed");
            let is_new = known.known != now;
            known.there = generation::is_there(now) && (is_new || !known.wrong);
            if known.there && is_new {
                self.take_in(access, number, now)?;
                let Contents {
                    instances, values, ..
                } = self;
                let instance = &instances[number];
                values.had[instance.slots..][..instance.plan.slots.len()].fill(false);
                clear(instance, &mut values.words);
                if let Some(before) = before.as_deref_mut() {
                    before.resize(values.words.len(), 0);
                    clear(instance, before);
                }
            }
        }
        self.generations = generations;
        Ok(())
    }

    /// Decodes the texts of an instance with a new generation. If they are invalid, this is reported once and
    /// the instance is left out.
    fn take_in(&mut self, access: &Access<'_>, number: usize, now: u64) -> Result<(), ReadError> {
        let instance = &self.instances[number];
        let known = instance.generation.expect("it can be removed");
        let (at, plan) = (known.record, instance.plan.clone());
        let taken = texts(access, at, known.room()).and_then(|(texts, _)| {
            let identity = Identity::from(texts);
            check_labels(at, &plan, &identity)?;
            Ok(identity)
        });
        generation::before_second_look();
        let is_same = access.word(known.word)? == now;
        let (identity, known, wrong) = match taken {
            // Changed meanwhile: the next pass tries again.
            _ if !is_same => (None, NONE, false),
            Ok(identity) => (Some(identity), now, false),
            Err(ReadError::Gone) => return Err(ReadError::Gone),
            Err(ReadError::Bad(problem)) => {
                self.problem(problem);
                (None, now, true)
            }
        };
        let instance = &mut self.instances[number];
        let generation = instance.generation.as_mut().expect("as above");
        generation.there = identity.is_some();
        (generation.known, generation.wrong) = (known, wrong);
        instance.identity = identity.unwrap_or_default().into();
        instance.shape = None;
        Ok(())
    }

    /// Loads all generations a second time, after all values were copied. An instance whose generation has
    /// changed is left out of this pass.
    pub fn confirm(&mut self, access: &Access<'_>) -> Result<(), ReadError> {
        if self.removable.is_empty() {
            return Ok(());
        }
        generation::before_second_look();
        let mut generations = std::mem::take(&mut self.generations);
        self.look(access, &mut generations)?;
        for (&number, &now) in self.removable.iter().zip(&generations) {
            let known = self.instances[number].generation.as_mut();
            let known = known.expect("it can be removed");
            known.there &= known.known == now;
        }
        self.generations = generations;
        let (instances, values) = (&self.instances, &mut self.values);
        values
            .busy
            .retain(|&(number, _)| instances[number].is_there());
        Ok(())
    }

    /// Loads all generations.
    fn look(&self, access: &Access<'_>, generations: &mut Vec<u64>) -> Result<(), ReadError> {
        generations.clear();
        let instances = self.removable.iter().map(|&number| &self.instances[number]);
        let places = instances.map(|instance| instance.block - 1);
        access.some_words(places, generations)
    }
}

/// Sets the values of an instance to zero.
fn clear(instance: &super::ReadInstance, words: &mut [u64]) {
    words[instance.at..][..instance.plan.words].fill(0);
    for extent in &instance.extents {
        words[extent.at..][..extent.shape.value_words()].fill(0);
    }
}
