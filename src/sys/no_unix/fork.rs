//! Forks: there are none on this platform.

pub use super::thread_cells::{ThreadCell, clear_thread_cells, park_thread_cells};

/// Returns the generation of this process.
pub fn generation() -> u64 {
    0
}
