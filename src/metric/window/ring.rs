//! The writer's side of a window: the ring of its steps.

use super::{COUNTED, STEPS};
use crate::format::slot;
use crate::metric::field::WindowPlace;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};
use std::cell::Cell;

/// The steps of a window, as the writer has them: `W` words each, the first of which is 1 + the number of the
/// step. The words of a step that never began are zeros.
#[derive(Debug)]
pub(in crate::metric) struct StepRing<const W: usize> {
    slot: Slot<RingWidth<W>>,
    buffers: u16,
    /// The length of a step in nanoseconds.
    step: u64,
    /// When the current step began.
    begin: Cell<u64>,
    /// The index of the current step.
    index: Cell<usize>,
}

#[derive(Clone, Copy, Debug)]
struct RingWidth<const W: usize>;

impl<const W: usize> Width for RingWidth<W> {
    const WORDS: usize = STEPS * W;
}

/// A start of a step that is at least one step before every time, even in the first second after the machine
/// was started: clocks stay below 2⁶³ nanoseconds, and so do steps.
const NEVER: u64 = 1 << 63;

impl<const W: usize> StepRing<W> {
    /// Makes the ring at a place.
    pub(in crate::metric) fn new(place: &WindowPlace) -> StepRing<W> {
        let step = place.nanos / COUNTED;
        // Relaxed: a Release store publishes the instance.
        place.plain[0].store(step, Ordering::Relaxed);
        StepRing {
            slot: Slot::new(place.slot, place.buffers.into()),
            buffers: place.buffers,
            step,
            begin: Cell::new(NEVER),
            index: Cell::new(0),
        }
    }

    /// Returns the index of the step of `now`. If the step is begun anew, `renew` is called once nothing of
    /// what its space held is counted any more.
    #[inline]
    pub(in crate::metric) fn at(&self, now: u64, renew: impl FnOnce(usize)) -> usize {
        // Also if the clock went back: then the difference is large.
        if now.wrapping_sub(self.begin.get()) >= self.step {
            self.roll(now, renew);
        }
        self.index.get()
    }

    /// Returns when the current step ends.
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
        // They are equal for a handle that starts where another one was, or if the clock went back.
        if first != stamp {
            self.publish(|i, word| if room.contains(&i) { 0 } else { word });
            renew(index);
            self.publish(|i, word| if i == room.start { stamp } else { word });
        }
        // Into every buffer: a record then writes only its own step, since the other steps do not differ.
        for _ in 0..self.buffers {
            self.publish(|_, word| word);
        }
    }

    /// Returns the words that were published last.
    fn published(&self) -> &[AtomicU64] {
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        self.slot.buffer(p)
    }

    /// Publishes what `change` returns for each word of all steps.
    fn publish(&self, change: impl Fn(usize, u64) -> u64) {
        let words = self.published().iter().enumerate();
        let words = words.map(|(i, word)| change(i, word.load(Ordering::Relaxed)));
        let slot = self.slot;
        slot::publish(slot.sequence(), |p| slot.buffer(p), words);
    }

    /// Publishes the words of the current step as `change` leaves them.
    #[inline]
    pub(in crate::metric) fn update(&self, change: impl FnOnce(&mut [u64; W])) {
        let slot = self.slot;
        let start = self.index.get() * W;
        slot::update(
            slot.sequence(),
            // The other steps are the same in all buffers: `roll` published them into each.
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
