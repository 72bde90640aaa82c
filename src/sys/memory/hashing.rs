//! Hashers with random keys.
//!
//! foldhash's own random state is set up under a global spin lock at its first use: a child that was
//! forked at that moment would wait for ever. Here the loser of a race throws its seed away.

use std::sync::atomic::{AtomicU64, Ordering};

use super::race_cell::RaceCell;

pub use foldhash::SharedSeed;
pub use foldhash::fast::SeedableRandomState as RandomState;

static SHARED: RaceCell<SharedSeed> = RaceCell::new();
/// How many states were made: their own parts differ.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A state with keys that differ from process to process, and from one state to the next.
pub fn random_state() -> RandomState {
    // Relaxed: only a number.
    RandomState::with_seed(MADE.fetch_add(1, Ordering::Relaxed), shared())
}

/// A state with keys that differ from process to process, and are the same for all who ask for it.
pub fn shared_state() -> RandomState {
    RandomState::with_seed(0, shared())
}

fn shared() -> &'static SharedSeed {
    // In a mapping: an allocator that counts in groups would come back here for its first allocation.
    SHARED.get_or_map(|| SharedSeed::from_u64(crate::sys::process::identity::random()))
}
