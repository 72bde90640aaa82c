//! Hashers with random keys.
//!
//! foldhash sets up its own random state under a global spin lock at the first use; a child forked at that moment
//! would wait forever. Here, the loser of a race discards its seed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::race_cell::RaceCell;

pub use foldhash::SharedSeed;
pub use foldhash::fast::SeedableRandomState as RandomState;

static SHARED: RaceCell<SharedSeed> = RaceCell::new();
/// The number of states made so far; it makes their seeds differ.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Returns a state whose keys differ between processes and between states.
pub fn random_state() -> RandomState {
    // Relaxed: only the number matters.
    RandomState::with_seed(MADE.fetch_add(1, Ordering::Relaxed), shared())
}

/// Returns a state whose keys differ between processes, but are the same for all callers of one process.
pub fn shared_state() -> RandomState {
    RandomState::with_seed(0, shared())
}

fn shared() -> &'static SharedSeed {
    // In a mapping: an allocator that counts in groups would call back here on its first allocation.
    SHARED.get_or_map(|| SharedSeed::from_u64(crate::sys::process::identity::random()))
}
