//! Private memory in place of a parent's files, which the child of a fork has until it creates its own files.

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::sys::process::procfs::{Reach, mapped, shared_for_writing};

/// Returns the parent of a process, and how many of the parent's mapped files are private memory in the child.
/// `None` if there are none, or if /proc does not tell.
pub fn files(pid: u32, wanted: impl Fn(&Path) -> bool) -> Option<(u32, usize)> {
    let parent = parent(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    let files = mapped(parent, Reach::All, wanted).ok()?.named;
    let own = fs::read(format!("/proc/{pid}/maps")).ok()?;
    let private: Vec<_> = own
        .split(|&byte| byte == b'\n')
        .filter_map(private)
        .collect();
    let parents = fs::read(format!("/proc/{parent}/maps")).ok()?;
    // The child keeps its parent's addresses until it executes another program.
    let inherited = parents.split(|&byte| byte == b'\n').filter(|line| {
        let Some((range, (_, inode))) = range(line).zip(shared_for_writing(line)) else {
            return false;
        };
        files.iter().any(|file| file.inode == inode)
            && (private.iter()).any(|own| own.start <= range.start && range.end <= own.end)
    });
    let count = inherited.count();
    (count > 0).then_some((parent, count))
}

/// Returns the number after `PPid:` in `status`. 0 stands for a process outside this pid namespace.
fn parent(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line?.trim().parse().ok().filter(|parent| *parent != 0)
}

/// Returns the addresses of a line of `maps`: `7f…-7f… rw-p …`.
fn range(line: &[u8]) -> Option<Range<u64>> {
    let addresses = std::str::from_utf8(line.split(|&byte| byte == b' ').next()?).ok()?;
    let (start, end) = addresses.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

/// Returns the addresses of a line of `maps` if it describes private memory.
fn private(line: &[u8]) -> Option<Range<u64>> {
    let fields = std::str::from_utf8(line).ok()?;
    let mut fields = fields.split_ascii_whitespace().skip(1);
    let (permissions, inode) = (fields.next()?, fields.nth(2)?);
    (permissions == "rw-p" && inode == "0").then(|| range(line))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_memory_counts_as_inherited() {
        assert_eq!(
            private(b"7f00-7f01 rw-p 00000000 00:00 0 "),
            Some(0x7f00..0x7f01)
        );
        assert_eq!(
            private(b"7f00-7f01 rw-p 00000000 00:00 0 [heap]"),
            Some(0x7f00..0x7f01)
        );
        for other in [
            &b"7f00-7f01 rw-s 00000000 00:00 0"[..],
            b"7f00-7f01 rw-p 00000000 00:1a 4711 /a/file",
            b"7f00 rw-p 00000000 00:00 0",
            b"",
        ] {
            assert_eq!(private(other), None);
        }
        assert_eq!(parent("Name:\tx\nPPid:\t12\n"), Some(12));
        assert_eq!(parent("PPid:\t0\n"), None);
    }
}
