//! What touches the operating system and raw memory: mappings, words of a mapping, process identity,
//! forks, clocks. With the two `unsafe impl`s that the derive writes, the only unsafe code.

pub mod append_list;
pub mod clock;
pub mod directory;
pub mod exit;
pub mod files;
pub mod fork;
pub mod frozen;
pub mod guard;
pub mod identity;
pub mod inherited;
pub mod life;
pub mod loaded;
pub mod lock;
pub mod mapped;
pub mod orphans;
pub mod paths;
pub mod proc;
pub mod region;
pub mod report;
pub mod reserve;
pub mod retained;
pub mod seed;
pub mod sigbus;
pub mod ticks;
pub mod view;
pub mod words;
