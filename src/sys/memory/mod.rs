//! Memory: mappings, the words in them, and collections that need no allocator or lock.

pub mod append_list;
#[cfg_attr(not(unix), path = "../no_unix/fallocate.rs")]
pub mod fallocate;
pub mod frozen;
pub mod hashing;
#[cfg_attr(not(unix), path = "../no_unix/inherited.rs")]
pub mod inherited;
#[cfg_attr(not(unix), path = "../no_unix/mapped.rs")]
pub mod mapped;
pub mod race_cell;
#[cfg_attr(not(unix), path = "../no_unix/read_map.rs")]
pub mod read_map;
#[cfg_attr(not(unix), path = "../no_unix/region.rs")]
pub mod region;
#[cfg_attr(not(unix), path = "../no_unix/sigbus.rs")]
pub mod sigbus;
pub mod words;
