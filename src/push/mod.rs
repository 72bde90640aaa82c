//! Pushes: what stats files say goes to an engine beyond this machine, again and again.
//!
//! `mmstats push` is this as a program.

mod backoff;
mod lock;
pub mod otlp;
pub mod redis;
