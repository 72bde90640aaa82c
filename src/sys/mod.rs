//! What touches the operating system and raw memory: mappings, words of a mapping, process identity,
//! forks, clocks. With the two `unsafe impl`s that the derive writes, the only unsafe code.

pub mod lifecycle;
pub mod memory;
pub mod process;
