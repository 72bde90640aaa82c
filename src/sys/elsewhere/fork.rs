//! Forks: there are none.

pub use super::thread_cells::{ThreadCell, clear_thread_cells, park_thread_cells};

/// The generation of this process.
pub fn generation() -> u64 {
    0
}
