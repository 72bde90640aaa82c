//! Groups that end when nobody has written them for a time.
//!
//! A group may be in the files of several threads. It is idle when its words have not changed in any of them: if
//! it ended in one and went on in another, its totals would fall. So there is a list of what is watched, by a key
//! that is the same for the group in all files, and for the groups within it. The [`ticker`](super::ticker) looks
//! at the words a few times in the time-out; who writes knows nothing of it.

use std::cell::Cell;
use std::fmt;
use std::ptr;

use super::ended_groups;
use super::ticker::{self, Locked, Tick, Ticking};
use crate::format::generation;
use crate::sync::Ordering;
use crate::sys::memory::words::{Word, Words};
use crate::sys::process::fork;

/// When a group is idle.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// What it has in common with itself in the files of other threads, and with the groups within it.
    pub key: u64,
    /// After so many nanoseconds without a change.
    pub nanos: u64,
    /// Where writers find it, if they are not to find it there any more.
    pub place: Option<&'static dyn Place>,
}

/// Where writers find what has ended, while they do not ask.
pub trait Place: fmt::Debug + Sync {
    /// Has the next writer not find it there. Any thread may do so. It allocates nothing and takes no lock.
    fn forget(&self);
}

/// How often in its time-out a group is looked at.
const LOOKS: u64 = 4;

/// An instance that is watched. It stays at its address (boxed, in the ticker's list) while it is in the list.
struct Watch {
    idle: Idle,
    generation: Word,
    /// The generation of the group.
    known: u64,
    /// What tells whether anything was written.
    words: Box<[Words]>,
    /// Of their contents at the last look.
    hash: Cell<u64>,
    /// When they were other ones last.
    changed: Cell<u64>,
    /// The process, in forks, that it belongs to.
    process: u64,
    /// Whether it is in the list; with its neighbours, guarded by the ticker's lock.
    listed: Cell<bool>,
    next: Cell<*const Watch>,
    previous: Cell<*const Watch>,
}

/// The lists by key. Guarded by the ticker's lock.
const LISTS: usize = 256;
struct Lists([Cell<*const Watch>; LISTS]);
// SAFETY: only touched by who has a `Locked`.
unsafe impl Sync for Lists {}
static WATCHED: Lists = Lists([const { Cell::new(ptr::null()) }; LISTS]);

/// Ends the instance whose generation is in the word `generation`, with all that have the same key, when the words
/// of none of them have changed for a time. It is being made: the next even generation is its own.
///
/// # Safety
/// The words are valid until what is returned is dropped.
pub unsafe fn watch(idle: Idle, generation: Word, words: Box<[Words]>) -> Ticking {
    // Relaxed: only this thread makes it even.
    let now = generation.load(Ordering::Relaxed);
    let watch = Watch {
        idle,
        generation,
        known: now.wrapping_add(now & 1),
        words,
        hash: Cell::new(0),
        changed: Cell::new(0),
        process: fork::generation(),
        listed: Cell::new(false),
        next: Cell::new(ptr::null()),
        previous: Cell::new(ptr::null()),
    };
    // SAFETY: the caller's promise: it touches these words and its lists, under the ticker's lock.
    unsafe { ticker::begin(Box::new(watch)) }
}

impl Tick for Watch {
    fn tick(&self, now: u64, locked: &Locked) -> u64 {
        if !self.listed.replace(true) {
            self.enter(locked);
        }
        self.look(now);
        let Idle { key, nanos, .. } = self.idle;
        if now - self.changed.get() < nanos {
            return now + nanos / LOOKS;
        }
        let mut last = 0;
        each(key, locked, |same| {
            same.look(now);
            last = last.max(same.changed.get());
        });
        if now - last < nanos {
            return now + nanos / LOOKS;
        }
        let mut any = false;
        each(key, locked, |same| {
            if generation::remove(&same.generation, same.known) {
                any = true;
                if let Some(place) = same.idle.place {
                    place.forget();
                }
            }
        });
        if any {
            ended_groups::count();
        }
        // The space is given back by its own thread, which then drops this.
        u64::MAX
    }
}

impl Watch {
    /// Notes whether the words have changed.
    fn look(&self, now: u64) {
        let words = self.words.iter().flat_map(|words| words.iter());
        // Relaxed: whether they change, not what they say.
        let hash = words.fold(self.known, |hash, word| {
            (hash.rotate_left(5) ^ word.load(Ordering::Relaxed)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        if self.hash.replace(hash) != hash || self.changed.get() == 0 {
            self.changed.set(now);
        }
    }

    fn enter(&self, locked: &Locked) {
        let first = list(self.idle.key, locked);
        self.next.set(first.get());
        // SAFETY: what is in the lists is alive, since a drop takes it out first.
        if let Some(first) = unsafe { first.get().as_ref() } {
            first.previous.set(self);
        }
        first.set(self);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The child of a fork has forgotten the lists.
        if self.process != fork::generation() || !self.listed.get() {
            return;
        }
        ticker::locked(|locked| {
            let (next, previous) = (self.next.get(), self.previous.get());
            // SAFETY: null, or in the list, hence alive, since a drop takes it out first, under the lock.
            match unsafe { previous.as_ref() } {
                Some(previous) => previous.next.set(next),
                None => list(self.idle.key, locked).set(next),
            }
            // SAFETY: as above.
            if let Some(next) = unsafe { next.as_ref() } {
                next.previous.set(previous);
            }
        });
    }
}

/// The first of the list that a key is in.
fn list(key: u64, _: &Locked) -> &Cell<*const Watch> {
    &WATCHED.0[key as usize % LISTS]
}

/// All that are watched by a key.
fn each(key: u64, locked: &Locked, mut look: impl FnMut(&Watch)) {
    let mut watch = list(key, locked).get();
    // SAFETY: what is in the lists is alive, since a drop takes it out first, under the lock.
    while let Some(this) = unsafe { watch.as_ref() } {
        if this.idle.key == key {
            look(this);
        }
        watch = this.next.get();
    }
}

/// In the child of a fork: what is watched is its parent's.
pub fn forget_in_child(locked: &Locked) {
    for key in 0..LISTS {
        list(key as u64, locked).set(ptr::null());
    }
}
