//! Values pushed to where they are kept for many machines.

pub mod redis;
