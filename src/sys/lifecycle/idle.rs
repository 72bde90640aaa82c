//! Groups that end after they have not been written for a time.
//!
//! A group may be in the files of several threads. It is idle when its words have not changed in any of them: if it
//! ended in one file and went on in another, its totals would fall. So all watched instances are in lists, with a
//! key that is the same for a group in all files and for the groups within it. The [`ticker`](super::ticker) looks
//! at the words a few times per time-out; writers know nothing of it.

use std::cell::Cell;
use std::fmt;
use std::ptr;

use super::ended_groups;
use super::ticker::{self, Tick, Ticking, TicksLocked};
use crate::format::generation;
use crate::sync::Ordering;
use crate::sys::memory::words::{Word, Words};
use crate::sys::process::fork;

/// When a group is idle.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// A key shared by the group in the files of all threads and by the groups within it.
    pub key: u64,
    /// The time without a change after which it is idle, in nanoseconds.
    pub nanos: u64,
    /// The place where writers find the group, if they must stop finding it there.
    pub place: Option<&'static dyn Place>,
}

/// A place where writers find a group without checking whether it has ended.
pub trait Place: fmt::Debug + Sync {
    /// Makes the next writer not find the group there. Any thread may call it. Must allocate nothing and take no
    /// lock.
    fn forget(&self);
}

/// How often per time-out a group is looked at.
const LOOKS: u64 = 4;

/// A watched instance. It stays at its address (boxed, in the ticker's list) while it is in the list.
struct Watch {
    idle: Idle,
    generation: Word,
    /// The generation of the group.
    known: u64,
    /// The words that show whether anything was written.
    words: Box<[Words]>,
    /// The hash of their contents at the last look.
    hash: Cell<u64>,
    /// The time at which they were last seen to have changed.
    changed: Cell<u64>,
    /// The process that it belongs to, as its generation.
    process: u64,
    /// Whether it is in the list. Guarded by the ticker's lock, like its neighbours.
    listed: Cell<bool>,
    next: Cell<*const Watch>,
    previous: Cell<*const Watch>,
}

/// The number of lists, which are by key. Guarded by the ticker's lock.
const LISTS: usize = 256;
struct Lists([Cell<*const Watch>; LISTS]);
// SAFETY: only touched by threads that have a `TicksLocked`.
unsafe impl Sync for Lists {}
static WATCHED: Lists = Lists([const { Cell::new(ptr::null()) }; LISTS]);

/// Ends the instance whose generation is in the word `generation`, with all others of the same key, once the words
/// of none of them have changed for a time. The instance is just being made: the next even generation is its own.
///
/// # Safety
/// The words must stay valid until the returned value is dropped.
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
    fn tick(&self, now: u64, locked: &TicksLocked) -> u64 {
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
        // The instance's own thread reclaims the space and then drops this.
        u64::MAX
    }
}

impl Watch {
    /// Records whether the words have changed.
    fn look(&self, now: u64) {
        let words = self.words.iter().flat_map(|words| words.iter());
        // Relaxed: only whether they change matters, not what they mean.
        let hash = words.fold(self.known, |hash, word| {
            (hash.rotate_left(5) ^ word.load(Ordering::Relaxed)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        if self.hash.replace(hash) != hash || self.changed.get() == 0 {
            self.changed.set(now);
        }
    }

    fn enter(&self, locked: &TicksLocked) {
        let first = list(self.idle.key, locked);
        self.next.set(first.get());
        // SAFETY: entries of the lists are alive, since a drop first takes them out.
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
            // SAFETY: null, or in the list and hence alive, since a drop first takes it out, under the lock.
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

/// Returns the head of the list for a key.
fn list(key: u64, _: &TicksLocked) -> &Cell<*const Watch> {
    &WATCHED.0[key as usize % LISTS]
}

/// Calls `look` with every watched instance of a key.
fn each(key: u64, locked: &TicksLocked, mut look: impl FnMut(&Watch)) {
    let mut watch = list(key, locked).get();
    // SAFETY: entries of the lists are alive, since a drop first takes them out, under the lock.
    while let Some(this) = unsafe { watch.as_ref() } {
        if this.idle.key == key {
            look(this);
        }
        watch = this.next.get();
    }
}

/// Empties the lists in the child of a fork: the watched instances are the parent's.
pub fn forget_in_child(locked: &TicksLocked) {
    for key in 0..LISTS {
        list(key as u64, locked).set(ptr::null());
    }
}
