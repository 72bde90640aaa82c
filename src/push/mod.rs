//! Pushes the contents of stats files to a receiver, typically on another machine, again and again.
//!
//! The program `mmstats push` uses this module.

mod backoff;
mod lock;
pub mod otlp;
pub mod redis;
