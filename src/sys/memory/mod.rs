//! Memory: mappings and the words in them, and what is kept without an allocator or a lock.

pub mod append_list;
pub mod fallocate;
pub mod frozen;
pub mod hashing;
pub mod inherited;
pub mod mapped;
pub mod read_map;
pub mod region;
pub mod sigbus;
pub mod words;
