//! Instances that come and go: groups that can be removed, whose space is then used again.
//!
//! What a pass takes of such an instance lies between two looks at its generation, by the protocol of
//! [`generation`]. One that changes in between is left out of this pass: its series has just ended.

use super::{Contents, check_labels, start, texts};
use crate::format::generation;
use crate::format::labels::{self, LABELS_MOST};
use crate::format::record::{FIXED_FOR_EVER, Head};
use crate::reader::identity::Identity;
use crate::reader::source::{Access, Trouble};

/// The generation of an instance that can be removed.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// Where it lies, in words of the file.
    word: usize,
    /// Where the record begins.
    record: u64,
    /// Which one the texts are of that were taken in; [`NONE`]: there are none.
    known: u64,
    /// These texts are wrong.
    wrong: bool,
    /// Whether the instance was there in the last pass.
    there: bool,
}

/// No generation of a group: it is odd.
const NONE: u64 = u64::MAX;

impl Generation {
    /// Bytes that the record has for everything before the word.
    fn room(self) -> usize {
        8 * self.word - self.record as usize
    }

    /// Bytes of its texts at most.
    fn texts_most(self) -> usize {
        self.room() - super::FIXED
    }

    /// How long what its label texts have beside the metric's label can be.
    pub fn label_most(self) -> usize {
        // Each byte may be escaped, and what stands around a pair is no more than twice its place in the table.
        2 * self.texts_most() + 2
    }

    /// How many label pairs it can have.
    pub fn pairs_most(self) -> usize {
        LABELS_MOST.min(self.texts_most() / labels::PAIR)
    }

    /// Tells it from every other one of its file, and from those that are later in its space.
    #[cfg(feature = "push")]
    pub fn incarnation(self) -> (u64, u64) {
        (self.record, self.known)
    }

    /// Whether the instance was there in the last pass.
    pub fn is_there(self) -> bool {
        self.there
    }
}

impl Contents {
    /// Takes in the record of an instance whose texts may change: only what does not.
    pub(super) fn removable(
        &mut self,
        access: &Access<'_>,
        at: u64,
        head: Head,
    ) -> Result<(), Trouble> {
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

    /// The first look at all generations, before the values are copied: instances that were removed are no
    /// longer there, and of those that are new the texts are taken in.
    ///
    /// `before` are the values of the last snapshot, if they are kept: of a new instance they were zeros.
    pub fn renew(
        &mut self,
        access: &Access<'_>,
        mut before: Option<&mut Vec<u64>>,
    ) -> Result<(), Trouble> {
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

    /// Takes in the texts of an instance of a new generation. If they are wrong, it is named once and left out.
    fn take_in(&mut self, access: &Access<'_>, number: usize, now: u64) -> Result<(), Trouble> {
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
            // Changed meanwhile: it is looked at again in the next pass.
            _ if !is_same => (None, NONE, false),
            Ok(identity) => (Some(identity), now, false),
            Err(Trouble::Gone) => return Err(Trouble::Gone),
            Err(Trouble::Bad(problem)) => {
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

    /// The second look, after everything was copied: an instance whose generation is another one by now is
    /// left out of this pass.
    pub fn confirm(&mut self, access: &Access<'_>) -> Result<(), Trouble> {
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
    fn look(&self, access: &Access<'_>, generations: &mut Vec<u64>) -> Result<(), Trouble> {
        generations.clear();
        let instances = self.removable.iter().map(|&number| &self.instances[number]);
        let places = instances.map(|instance| instance.block - 1);
        access.some_words(places, generations)
    }
}

/// Makes zeros of the words that are values of an instance.
fn clear(instance: &super::ReadInstance, words: &mut [u64]) {
    words[instance.at..][..instance.plan.words].fill(0);
    for extent in &instance.extents {
        words[extent.at..][..extent.shape.value_words()].fill(0);
    }
}
