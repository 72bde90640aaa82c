//! From the first file of a process to its end: directories, files, and what is said of them.

pub mod directory;
pub mod directory_lock;
pub mod ending;
pub mod exit;
pub mod files;
pub mod idle;
pub mod orphans;
pub mod paths;
pub mod report;
pub mod retained;
pub mod ticker;
