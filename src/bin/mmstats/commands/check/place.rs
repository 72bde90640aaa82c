//! The place of a root: whether its file system suits files that are written through a mapping.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mmstats::reader::File;

use super::Findings;
use crate::input;
use crate::ui::{numbers, output};

/// File systems in memory: a store to a mapped page is a store.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "hugetlbfs"];
/// The smallest size of a huge page.
const HUGE_PAGE: u64 = 2 << 20;
/// File systems where another machine, or a reader on this one, may not see writes through a mapping.
const NOT_SHARED: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "virtiofs",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "vboxsf",
    "fuse",
];

pub fn check(root: &Path, findings: &mut Findings) {
    let shown = output::path(root);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let canonical = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    if let Some(kind) = file_system(&mounts, &canonical) {
        findings
            .warnings
            .extend(verdict(&kind).map(|verdict| format!("{shown}: {verdict}")));
    }
    let Ok(metadata) = root.metadata() else {
        return;
    };
    if metadata.mode() & 0o022 != 0 && metadata.mode() & 0o1000 == 0 {
        findings.warnings.push(format!(
            "{shown}: other users may put files there and take some away: chmod go-w"
        ));
    }
    if canonical.starts_with("/dev/shm") && metadata.uid() >= 1000 && removes_ipc() {
        findings.warnings.push(format!(
            "{shown}: systemd removes it when user {} has logged out everywhere: set RemoveIPC=no in \
             /etc/systemd/logind.conf, or have MMSTATS_PATH elsewhere, or run the program as a system \
             user",
            metadata.uid()
        ));
    }
}

/// Warns if the files of a root take far more space than they hold: on a tmpfs with huge=always or =within_size each
/// takes a huge page.
pub fn sizes<'a>(root: &Path, files: impl Iterator<Item = &'a File>, findings: &mut Findings) {
    let files = files.filter(|file| file.path().starts_with(root));
    let sizes = files.map(|file| (file.bytes(), input::taken(file)));
    let (held, taken) = sizes.fold((0, 0), |(held, taken), (more, takes)| {
        (held + more, taken + takes)
    });
    if taken >= HUGE_PAGE && taken >= 4 * held {
        findings.warnings.push(format!(
            "{}: the files hold {} and take {}: the file system allocates whole huge pages (a tmpfs \
             that is mounted with huge=always): have MMSTATS_PATH on one without",
            output::path(root),
            numbers::bytes(held),
            numbers::bytes(taken)
        ));
    }
}

/// Returns the warning about a kind of file system, if any.
fn verdict(kind: &str) -> Option<String> {
    if IN_MEMORY.contains(&kind) {
        return None;
    }
    // There are many kinds of fuse: fuse.sshfs, …
    let family = kind.split('.').next().unwrap_or(kind);
    Some(if NOT_SHARED.contains(&family) {
        format!(
            "it is on {kind}, where readers may not see what is written through a mapping: have \
             MMSTATS_PATH on a tmpfs of the machine itself, such as /dev/shm or /run"
        )
    } else {
        format!(
            "it is on {kind}, a disk: the first store to a page after the kernel has written it back \
             takes microseconds, not nanoseconds (up to 50): put MMSTATS_PATH on a tmpfs, such as \
             /dev/shm or /run"
        )
    })
}

/// Returns the kind of the file system that contains a path, from the lines of `mountinfo`:
/// `36 35 98:0 /root /mount/point options … - type source options`.
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let point = PathBuf::from(mount.split(' ').nth(4)?.replace("\\040", " "));
        let kind = kind.split(' ').next()?;
        path.starts_with(&point)
            .then_some((point.components().count(), kind))
    });
    // Of two mounts at one place, the later one covers the earlier.
    mounts
        .max_by_key(|(depth, _)| *depth)
        .map(|(_, kind)| kind.to_owned())
}

/// Returns whether logind removes the files of a user in /dev/shm at logout, which it does by default.
fn removes_ipc() -> bool {
    let is_running = Path::new("/run/systemd/system").exists();
    let configured = fs::read_to_string("/etc/systemd/logind.conf").unwrap_or_default();
    let no = |line: &str| {
        let line = line.trim();
        line.strip_prefix("RemoveIPC=")
            .is_some_and(|value| matches!(value, "no" | "false" | "0" | "off"))
    };
    is_running && !configured.lines().any(no)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "\
            22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
            25 22 0:21 / /dev/shm rw shared:1 - tmpfs tmpfs rw\n\
            26 22 0:22 / /mnt/a\\040b rw - nfs4 host:/x rw\n\
            27 22 0:23 / /home rw - fuse.sshfs x rw\n";
        for (path, kind) in [
            ("/var/run", "ext4"),
            ("/dev/shm/mmstats-0", "tmpfs"),
            ("/dev/shmem", "ext4"),
            ("/mnt/a b/c", "nfs4"),
            ("/home/x", "fuse.sshfs"),
        ] {
            assert_eq!(
                file_system(mounts, Path::new(path)).as_deref(),
                Some(kind),
                "{path}"
            );
        }
        assert_eq!(verdict("tmpfs"), None);
        assert!(verdict("ext4").unwrap().contains("a disk"));
        for kind in ["nfs4", "fuse.sshfs"] {
            assert!(verdict(kind).unwrap().contains("may not see"), "{kind}");
        }
    }
}
