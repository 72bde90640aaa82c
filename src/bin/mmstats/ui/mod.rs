//! The user interface: output, numbers, progress, and when to end.

pub mod numbers;
pub mod output;
pub mod progress;
pub mod stop;
pub mod waiting;
