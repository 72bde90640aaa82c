//! Memory: mappings, the words in them, and collections that need no allocator or lock.

pub mod append_list;
#[cfg_attr(not(unix), path = "../elsewhere/fallocate.rs")]
pub mod fallocate;
pub mod frozen;
pub mod hashing;
#[cfg_attr(not(unix), path = "../elsewhere/inherited.rs")]
pub mod inherited;
#[cfg_attr(not(unix), path = "../elsewhere/mapped.rs")]
pub mod mapped;
pub mod race_cell;
#[cfg_attr(not(unix), path = "../elsewhere/read_map.rs")]
pub mod read_map;
#[cfg_attr(not(unix), path = "../elsewhere/region.rs")]
pub mod region;
#[cfg_attr(not(unix), path = "../elsewhere/sigbus.rs")]
pub mod sigbus;
pub mod words;
