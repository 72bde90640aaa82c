//! The writer's side of a window: the ring of its steps.

use super::{COUNTED, STEPS};
use crate::format::slot;
use crate::metric::field::WindowPlace;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};
use std::cell::Cell;

/// The steps of a window, as their writer has them: `W` words for each, the first of which is 1 + the
/// number of the step. One that never was begun is zeros.
#[derive(Debug)]
pub(in crate::metric) struct StepRing<const W: usize> {
    slot: Slot<RingWidth<W>>,
    buffers: u16,
    /// Nanoseconds of a step.
    step: u64,
    /// When the step of now began.
    begin: Cell<u64>,
    /// Its number among the steps.
    index: Cell<usize>,
}

#[derive(Clone, Copy, Debug)]
struct RingWidth<const W: usize>;

impl<const W: usize> Width for RingWidth<W> {
    const WORDS: usize = STEPS * W;
}

/// A begin of which no time is less than a step later, not even the first second after the machine was
/// started: clocks stay below 2⁶³ nanoseconds, and so do steps.
const NEVER: u64 = 1 << 63;

impl<const W: usize> StepRing<W> {
    /// The ring at a place.
    pub(in crate::metric) fn new(place: &WindowPlace) -> StepRing<W> {
        let step = place.nanos / COUNTED;
        // Relaxed: what publishes the instance is a Release store.
        place.plain[0].store(step, Ordering::Relaxed);
        StepRing {
            slot: Slot::new(place.slot, place.buffers.into()),
            buffers: place.buffers,
            step,
            begin: Cell::new(NEVER),
            index: Cell::new(0),
        }
    }

    /// The number of the step of `now`. If it is begun anew, `renew` is called when nothing of what its
    /// room had counts any more.
    #[inline]
    pub(in crate::metric) fn at(&self, now: u64, renew: impl FnOnce(usize)) -> usize {
        // Also where the clock went back: then the difference is large.
        if now.wrapping_sub(self.begin.get()) >= self.step {
            self.roll(now, renew);
        }
        self.index.get()
    }

    /// When the step of now ends.
    pub(in crate::metric) fn end(&self) -> u64 {
        self.begin.get().saturating_add(self.step)
    }

    #[cold]
    fn roll(&self, now: u64, renew: impl FnOnce(usize)) {
        let number = now / self.step;
        let (stamp, index) = (number + 1, (number % STEPS as u64) as usize);
        self.begin.set(number * self.step);
        self.index.set(index);
        let room = index * W..(index + 1) * W;
        // Relaxed, here and below: this thread is the only writer.
        let first = self.published()[room.start].load(Ordering::Relaxed);
        // It is the same one for a handle that begins where another one was, or if the clock went back.
        if first != stamp {
            self.publish(|i, word| if room.contains(&i) { 0 } else { word });
            renew(index);
            self.publish(|i, word| if i == room.start { stamp } else { word });
        }
        // Into every buffer: a record then writes its own step only, since the others do not differ.
        for _ in 0..self.buffers {
            self.publish(|_, word| word);
        }
    }

    /// What was published last.
    fn published(&self) -> &[AtomicU64] {
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        self.slot.buffer(p)
    }

    /// Publishes what `change` makes of each word of all steps.
    fn publish(&self, change: impl Fn(usize, u64) -> u64) {
        let words = self.published().iter().enumerate();
        let words = words.map(|(i, word)| change(i, word.load(Ordering::Relaxed)));
        let slot = self.slot;
        slot::publish(slot.sequence(), |p| slot.buffer(p), words);
    }

    /// Publishes what `change` makes of the words of the step of now.
    #[inline]
    pub(in crate::metric) fn update(&self, change: impl FnOnce(&mut [u64; W])) {
        let slot = self.slot;
        let start = self.index.get() * W;
        slot::update(
            slot.sequence(),
            // The other steps are the same in all buffers: `roll` saw to it.
            |p| &slot.buffer(p)[start..start + W],
            |before| {
                // Relaxed: this thread is the only writer.
                let mut words = std::array::from_fn(|i| before[i].load(Ordering::Relaxed));
                change(&mut words);
                words
            },
        );
    }
}
