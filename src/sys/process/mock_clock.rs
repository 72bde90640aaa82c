//! A clock that stands still until a test advances it: what `clock` reads on a thread that has begun one.

use std::cell::Cell;

/// What the clocks of a thread show.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Instead of [`clock::coarse_nanos`](super::clock::coarse_nanos), and of ticks.
    steady: u64,
    /// Instead of [`clock::unix_nanos`](super::clock::unix_nanos).
    unix: u64,
}

thread_local! {
    static MOCK: Cell<Option<Times>> = const { Cell::new(None) };
}

/// Stops the clocks of this thread at these times. False: they were stopped before.
pub fn begin(steady: u64, unix: u64) -> bool {
    let begins = MOCK.get().is_none();
    if begins {
        MOCK.set(Some(Times { steady, unix }));
    }
    begins
}

/// The clocks of this thread are the system's again.
pub fn end() {
    MOCK.set(None);
}

/// Moves the clocks of this thread. They stop at the largest time.
pub fn advance(nanos: u64) {
    MOCK.set(MOCK.get().map(|times| Times {
        steady: times.steady.saturating_add(nanos),
        unix: times.unix.saturating_add(nanos),
    }));
}

/// Nanoseconds of a clock for durations, if this thread's is mocked.
pub fn steady() -> Option<u64> {
    MOCK.get().map(|times| times.steady)
}

/// Nanoseconds since 1970-01-01 UTC, if this thread's clock is mocked.
pub fn unix() -> Option<u64> {
    MOCK.get().map(|times| times.unix)
}
