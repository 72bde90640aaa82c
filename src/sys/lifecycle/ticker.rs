//! Ticks: periodic work on the files of a process, whose threads keep writing and pay nothing for it.
//!
//! A single thread, which lives as long as there is such work, wakes when the next work is due. The work is in a
//! list, whose lock a fork takes first. The child of a fork has no such thread and an empty list: its inherited
//! files are its parent's. Signals go to other threads.

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::thread::{self, Thread};
use std::time::Duration;

use super::report;
use crate::sys::process::clock;
use crate::sys::process::fork;
use crate::sys::process::loaded;
use crate::sys::process::lock::{self, RawLock};
use crate::sys::process::signals;

/// Guards the list. Nothing is allocated under it. A fork takes it first (`handlers`).
pub static TICKS: RawLock = RawLock::new();

/// Work that is due repeatedly.
pub trait Tick {
    /// Does the work, at a time of [`coarse_nanos`](clock::coarse_nanos), and returns the time at which it is due
    /// next. Must allocate nothing and take no lock.
    fn tick(&self, now: u64, locked: &Locked) -> u64;

    /// Returns the time by the mock clock of this thread, if there is one and the work goes by it. Not for work
    /// that concerns several threads, which have clocks of their own.
    #[cfg(feature = "testing")]
    fn mocked(&self) -> Option<u64> {
        None
    }
}

/// Proof that this thread holds [`TICKS`].
#[derive(Debug)]
pub struct Locked(());

impl Locked {
    /// For callers that took the lock in another way.
    ///
    /// # Safety
    /// This thread must hold [`TICKS`] as long as it has the value.
    pub unsafe fn assume() -> Locked {
        Locked(())
    }
}

/// Runs `work` under [`TICKS`].
pub fn locked<R>(work: impl FnOnce(&Locked) -> R) -> R {
    lock::with(&TICKS, || work(&Locked(())))
}

/// Work in the list; dropping it takes it out.
pub struct Ticking(Box<Entry>);

/// An entry of the list. It stays at its address (boxed) while it is listed.
struct Entry {
    work: Box<dyn Tick>,
    generation: u64,
    /// The thread by whose mock clock it is due, if any; that thread then does the work.
    #[cfg(feature = "testing")]
    mocked: Cell<Option<thread::ThreadId>>,
    /// When it is due. This and its neighbours in the list are guarded by [`TICKS`].
    due: Cell<u64>,
    next: Cell<*const Entry>,
    previous: Cell<*const Entry>,
}

impl std::fmt::Debug for Ticking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticking").finish_non_exhaustive()
    }
}

/// The list and its thread; guarded by [`TICKS`].
struct State {
    first: *const Entry,
    /// Whether the thread runs or is being started.
    running: bool,
    /// The thread, once it is running.
    thread: Option<Thread>,
}

struct Guarded(UnsafeCell<State>);
// SAFETY: only touched under TICKS.
unsafe impl Sync for Guarded {}
static STATE: Guarded = Guarded(UnsafeCell::new(State {
    first: ptr::null(),
    running: false,
    thread: None,
}));

/// Runs `work` on the state, under the lock.
fn with_state<R>(work: impl FnOnce(&mut State, &Locked) -> R) -> R {
    // SAFETY: under TICKS, and no `work` (all are in this file) calls this again.
    locked(|locked| work(unsafe { &mut *STATE.0.get() }, locked))
}

/// The entries of the list.
fn entries<'a>(state: &State, _: &'a Locked) -> impl Iterator<Item = &'a Entry> + use<'a> {
    // SAFETY: null, or in the list. Entries in the list are alive: a drop first takes them out, under TICKS, which
    // is held.
    let entry = |at: *const Entry| unsafe { at.as_ref() };
    std::iter::successors(entry(state.first), move |this| entry(this.next.get()))
}

/// Does some work now, and whenever it is due until the returned value is dropped. [`handlers`](super::handlers)
/// must be registered.
///
/// # Safety
/// Until the returned value is dropped, the work must touch nothing but atomic words that are valid until then, and
/// what nobody else can touch. It may be called from another thread.
pub unsafe fn begin(work: Box<dyn Tick>) -> Ticking {
    let now = clock::system_coarse_nanos();
    #[cfg(feature = "testing")]
    let mocked = work.mocked();
    #[cfg(feature = "testing")]
    let now = mocked.unwrap_or(now);
    let entry = Box::new(Entry {
        work,
        generation: fork::generation(),
        #[cfg(feature = "testing")]
        mocked: Cell::new(mocked.map(|_| thread::current().id())),
        due: Cell::new(0),
        next: Cell::new(ptr::null()),
        previous: Cell::new(ptr::null()),
    });
    let (runs, thread) = with_state(|state, locked| {
        entry.due.set(entry.work.tick(now, locked));
        entry.next.set(state.first);
        // SAFETY: entries in the list are alive, since a drop first takes them out.
        if let Some(first) = unsafe { state.first.as_ref() } {
            first.previous.set(&*entry);
        }
        state.first = &*entry;
        (
            std::mem::replace(&mut state.running, true),
            state.thread.clone(),
        )
    });
    match thread {
        // It may be sleeping until something that is due later.
        Some(thread) => thread.unpark(),
        None if runs => {}
        None => start(),
    }
    Ticking(entry)
}

impl Drop for Ticking {
    fn drop(&mut self) {
        let entry = &*self.0;
        // The child of a fork has forgotten the list, and this entry with it.
        if entry.generation != fork::generation() {
            return;
        }
        with_state(|state, _| {
            let (next, previous) = (entry.next.get(), entry.previous.get());
            // SAFETY: null, or in the list and hence alive, since a drop first takes it out, under TICKS.
            match unsafe { previous.as_ref() } {
                Some(previous) => previous.next.set(next),
                None => state.first = next,
            }
            // SAFETY: as above.
            if let Some(next) = unsafe { next.as_ref() } {
                next.previous.set(previous);
            }
        });
    }
}

/// Starts the thread with all signals blocked: a program's handlers run in its own threads.
fn start() {
    // The thread outlives the code that asked for it, which may be in a shared object. If that can be unloaded all
    // the same, there is nothing better to do: the thread runs until then.
    loaded::stay();
    let thread = thread::Builder::new().name("mmstats-ticks".to_owned());
    let started = signals::blocked(|| thread.spawn(run));
    if let Err(error) = started {
        with_state(|state, _| state.running = false);
        let text =
            format_args!("cannot start a thread ({error}): windows of counters are not updated");
        report::once("", "ticks", &text);
    }
}

fn run() {
    let me = thread::current();
    with_state(|state, _| state.thread = Some(me));
    loop {
        let now = clock::coarse_nanos();
        let due = with_state(|state, locked| {
            let mut earliest = None;
            for this in entries(state, locked) {
                #[cfg(feature = "testing")]
                if this.mocked.get().is_some() {
                    earliest = earliest.or(Some(u64::MAX));
                    continue;
                }
                if this.due.get() <= now {
                    // What it touches is valid, and is only touched under TICKS or atomically: see `begin`.
                    this.due.set(this.work.tick(now, locked));
                }
                earliest = Some(this.due.get().min(earliest.unwrap_or(u64::MAX)));
            }
            // If nothing is left to do, the thread ends; the next work starts another.
            state.running = earliest.is_some();
            match earliest {
                Some(due) => Ok(due),
                None => Err(state.thread.take()),
            }
        });
        match due {
            // The coarse clock lags: sleep until it has ticked.
            Ok(due) => thread::park_timeout(
                Duration::from_nanos(due.saturating_sub(now)).max(Duration::from_millis(1)),
            ),
            Err(_) => return,
        }
    }
}

/// Does the work that is due by the mock clock of this thread, up to its current time.
#[cfg(feature = "testing")]
pub fn catch_up(now: u64) {
    /// More steps than any window has.
    const KEPT: u64 = 64;
    with_mocked(|entry, locked| {
        while entry.due.get() <= now {
            let due = entry.due.get();
            let next = entry.work.tick(due, locked);
            // After a long time, steps that are in no window now are skipped: years have very many.
            let step = next.saturating_sub(due).max(1);
            let skipped = (now.saturating_sub(next) / step).saturating_sub(KEPT);
            entry.due.set(next.saturating_add(skipped * step));
            if next == u64::MAX {
                break;
            }
        }
    });
}

/// Ends the mock clock of this thread: its work is due by the system's clock again.
#[cfg(feature = "testing")]
pub fn end_mocked() {
    with_mocked(|entry, _| {
        entry.mocked.set(None);
        entry.due.set(0);
    });
    // The ticker may be sleeping until something that is due later.
    if let Some(thread) = with_state(|state, _| state.thread.clone()) {
        thread.unpark();
    }
}

/// Calls `each` with the entries that are due by the mock clock of this thread.
#[cfg(feature = "testing")]
fn with_mocked(mut each: impl FnMut(&Entry, &Locked)) {
    let me = Some(thread::current().id());
    with_state(|state, locked| {
        entries(state, locked)
            .filter(|this| this.mocked.get() == me)
            .for_each(|this| each(this, locked));
    });
}

/// Forgets the list and the thread in the child of a fork: both are the parent's.
pub fn forget_in_child(_: &Locked) {
    // SAFETY: under TICKS, and in the only thread.
    let state = unsafe { &mut *STATE.0.get() };
    state.first = ptr::null();
    state.running = false;
    std::mem::forget(state.thread.take());
}
