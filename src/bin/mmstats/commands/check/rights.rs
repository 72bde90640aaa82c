//! Checks whether processes may still make files where they made some. A process that has dropped its rights since
//! may not, and new threads of it are not recorded.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mmstats::reader::{File, State};

use super::Findings;
use crate::ui::output;

/// A process that has CAP_DAC_OVERRIDE may write to every directory.
const DAC_OVERRIDE: u64 = 1 << 1;

/// Checks the process and the model's directory of each file that is being written.
pub fn check<'a>(files: impl Iterator<Item = &'a File>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for file in files.filter(|file| matches!(file.state(), State::Live | State::Orphan)) {
        let Some(directory) = file.path().parent() else {
            continue;
        };
        if file.is_removed() || !seen.insert((directory, file.pid())) {
            continue;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", file.pid()));
        let rights = status.ok().and_then(|status| Rights::parse(&status));
        let (Some(rights), Ok(metadata)) = (rights, directory.metadata()) else {
            continue;
        };
        // In another pid namespace the PID belongs to another process.
        if !rights.is_of(file.exe()) || rights.may_write(&metadata) {
            continue;
        }
        findings.warnings.push(format!(
            "{}: process {} runs as user {} now, which has no permission to make files here (user {}, mode \
             {:o}): there is no file for a thread that counts here first from now on: start it as that user, or \
             create the directory writable for it before the program starts",
            output::path(directory),
            file.pid(),
            rights.uid,
            metadata.uid(),
            metadata.mode() & 0o7777
        ));
    }
}

/// The rights that the kernel checks when a process makes a file.
#[derive(Debug, PartialEq)]
struct Rights {
    /// The first 15 bytes of the program's name, unless it has renamed itself.
    name: String,
    uid: u32,
    gids: Vec<u32>,
    capabilities: u64,
}

impl Rights {
    /// Parses a `/proc/<pid>/status`.
    fn parse(status: &str) -> Option<Rights> {
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        // Real, effective, saved, file system: the last one decides about files.
        let last = |name: &str| field(name)?.split_whitespace().nth(3)?.parse().ok();
        let mut gids = vec![last("Gid")?];
        let groups = field("Groups").unwrap_or_default();
        gids.extend(
            groups
                .split_whitespace()
                .filter_map(|gid| gid.parse::<u32>().ok()),
        );
        Some(Rights {
            name: field("Name")?.trim_start().to_owned(),
            uid: last("Uid")?,
            gids,
            capabilities: u64::from_str_radix(field("CapEff")?.trim(), 16).ok()?,
        })
    }

    fn is_of(&self, exe: &str) -> bool {
        let name = Path::new(exe).file_name().unwrap_or_default();
        let name = name.as_encoded_bytes();
        self.name.as_bytes() == &name[..name.len().min(15)]
    }

    /// Returns whether the mode lets it make files in a directory. Access control lists are not checked; one may
    /// allow it nevertheless.
    fn may_write(&self, directory: &Metadata) -> bool {
        let shift = if self.uid == directory.uid() {
            6
        } else if self.gids.contains(&directory.gid()) {
            3
        } else {
            0
        };
        self.capabilities & DAC_OVERRIDE != 0 || directory.mode() >> shift & 0o3 == 0o3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: u32, groups: &str, capabilities: &str) -> Rights {
        let status = format!(
            "Name:\ta-long-program-\nUid:\t0\t0\t0\t{uid}\nGid:\t7\t7\t7\t7\nGroups:\t{groups} \nCapEff:\t{capabilities}\n"
        );
        Rights::parse(&status).unwrap()
    }

    #[test]
    fn the_mode_and_the_capability_decide() {
        let root = tempfile::TempDir::new().unwrap();
        let directory = root.path().metadata().unwrap();
        let (owner, group) = (directory.uid(), directory.gid());
        let none = "0000000000000000";
        assert!(status(owner, "", none).may_write(&directory));
        assert!(!status(owner + 1, &group.to_string(), none).may_write(&directory));
        assert!(status(owner + 1, "", "0000000000000002").may_write(&directory));
        assert!(status(owner, "", none).is_of("/usr/bin/a-long-program-name"));
        assert!(!status(owner, "", none).is_of("/usr/bin/a-long"));
        assert_eq!(Rights::parse("Name:\tcut"), None);
    }
}
