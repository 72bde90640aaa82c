//! A clock that stands still until a test advances it. `clock` reads it on a thread that has called [`begin`].

use std::cell::Cell;

/// The times that a thread's clocks show.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Replaces [`clock::coarse_nanos`](super::clock::coarse_nanos) and ticks.
    steady: u64,
    /// Replaces [`clock::unix_nanos`](super::clock::unix_nanos).
    unix: u64,
}

thread_local! {
    static MOCK: Cell<Option<Times>> = const { Cell::new(None) };
}

/// Stops the clocks of this thread at these times. Returns false if they were already stopped.
pub fn begin(steady: u64, unix: u64) -> bool {
    let begins = MOCK.get().is_none();
    if begins {
        MOCK.set(Some(Times { steady, unix }));
    }
    begins
}

/// Lets the clocks of this thread follow the system's again.
pub fn end() {
    MOCK.set(None);
}

/// Advances the clocks of this thread. They saturate at the largest time.
pub fn advance(nanos: u64) {
    MOCK.set(MOCK.get().map(|times| Times {
        steady: times.steady.saturating_add(nanos),
        unix: times.unix.saturating_add(nanos),
    }));
}

/// Returns the nanoseconds of a clock for durations, if this thread's is mocked.
pub fn steady() -> Option<u64> {
    MOCK.get().map(|times| times.steady)
}

/// Returns the nanoseconds since 1970-01-01 UTC, if this thread's clock is mocked.
pub fn unix() -> Option<u64> {
    MOCK.get().map(|times| times.unix)
}
