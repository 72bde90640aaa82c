//! The operating system and raw memory: mappings, words of a mapping, process identity, forks, clocks. Together
//! with the two `unsafe impl`s that the derive writes, this is the only unsafe code.
//!
//! Everything above is the same on all platforms. Where there is no Unix, the modules of `no_unix` replace those
//! of the same names: no file can be opened or created there, and a process sees no others.

pub mod lifecycle;
pub mod memory;
pub mod process;

/// The reason why neither writers nor readers use files on this platform; metrics are then in private memory.
/// `None` where files are supported.
pub const NO_FILES: Option<&str> = if cfg!(not(unix)) {
    Some("files are not supported on this platform")
} else if cfg!(target_endian = "big") {
    Some("files are not supported on big-endian processors: their numbers are little-endian")
} else {
    None
};

/// Returns [`NO_FILES`] as an error.
pub fn unsupported() -> std::io::Error {
    let reason = NO_FILES.unwrap_or("files are not supported");
    std::io::Error::new(std::io::ErrorKind::Unsupported, reason)
}
