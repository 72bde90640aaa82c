//! Names of temp files: files in the making, on systems where a file cannot be made without a name.
//!
//! Such a file gets a second name, and then loses this one. A process that is killed in between leaves it.
//! The header says whose file it is. Its first word is written last, so a header that has it is complete.

use super::header::Header;

/// The start of the names.
pub const TEMP_PREFIX: &str = ".mmstats-";

/// The name of a file that a thread begins to make `nanos` nanoseconds after 1970-01-01 UTC.
pub fn name(pid: u32, tid: u32, nanos: u64) -> String {
    format!("{TEMP_PREFIX}{pid}-{tid}-{nanos}")
}

/// Whether the thread that wrote this header would give this name to a temp file.
pub fn is_of(name: &str, header: &Header) -> bool {
    let begin = format!("{TEMP_PREFIX}{}-{}-", header.pid, header.tid);
    let nanos = name.strip_prefix(&begin);
    nanos.is_some_and(|nanos| nanos.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_thread_that_gave_it() {
        let header = Header {
            pid: 17,
            tid: 18,
            ..Header::default()
        };
        assert_eq!(name(17, 18, 19), ".mmstats-17-18-19");
        assert!(is_of(&name(17, 18, u64::MAX), &header));
        for other in [
            ".mmstats-17-19-19",
            ".mmstats-18-18-19",
            ".mmstats-17-18",
            ".mmstats-17-18-",
            ".mmstats-17-18-19-1",
            ".mmstats-17-18-x",
            ".mmstats-retired",
            "mmstats-17-18-19",
        ] {
            assert!(!is_of(other, &header), "{other}");
        }
    }
}
