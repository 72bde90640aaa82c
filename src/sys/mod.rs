//! What touches the operating system and raw memory: mappings, words of a mapping, process identity,
//! forks, clocks. With the two `unsafe impl`s that the derive writes, the only unsafe code.
//!
//! Everything above is the same on all platforms. Where there is no Unix, the modules of `elsewhere` take the place
//! of those of the same names: no file can be opened or made there, and a process is alone.

pub mod lifecycle;
pub mod memory;
pub mod process;

/// Why neither writers nor readers use files here; `None`: they do. Then metrics are in private memory.
pub const NO_FILES: Option<&str> = if cfg!(not(unix)) {
    Some("files are not supported on this platform")
} else if cfg!(target_endian = "big") {
    Some("files are not supported on big-endian processors: their numbers are little-endian")
} else {
    None
};

/// [`NO_FILES`] as the error of whoever tries.
pub fn unsupported() -> std::io::Error {
    let reason = NO_FILES.unwrap_or("files are not supported");
    std::io::Error::new(std::io::ErrorKind::Unsupported, reason)
}
