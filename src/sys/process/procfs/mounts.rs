//! Finds out, from /proc, which paths of a process can be walked without asking a server.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Types of file systems that are served by a server, which may be a program of any user. Subtypes of FUSE are
/// `fuse.<name>`.
const SERVED: [&str; 18] = [
    "fuse", "fuseblk", "virtiofs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "autofs",
    "coda", "gfs2", "lustre", "ncpfs", "ocfs2", "orangefs", "vboxsf",
];

/// The mounts of such file systems, as a process sees them.
#[derive(Debug)]
pub(super) struct Mounts {
    /// The mount points, relative to the root of the process, and their types.
    served: Vec<(PathBuf, String)>,
}

impl Mounts {
    /// Reads the mounts of a process, given by its pid or "self". Empty if they cannot be read; then nothing of the
    /// process can be reached either.
    pub(super) fn of(pid: &str) -> Mounts {
        let mounts = fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let served = mounts.split(|&byte| byte == b'\n').filter_map(served);
        Mounts {
            served: served.collect(),
        }
    }

    /// Checks that a path below `root`, the root of the process, leads through no such file system and no symbolic
    /// link. Paths in `maps` contain no links, so a path with one is not the file that is meant. The error is the
    /// type of the file system, or `None` for a link.
    ///
    /// Each part is examined only after its file system is known to answer. A file system mounted at this very
    /// moment is not noticed, and neither is an overlayfs over one.
    pub(super) fn server_on_the_way(
        &self,
        root: &Path,
        relative: &Path,
    ) -> Result<(), Option<String>> {
        let mut inside = PathBuf::from("/");
        let mut parts = relative.components();
        loop {
            if let Some((_, kind)) = self.served.iter().find(|(point, _)| *point == inside) {
                return Err(Some(kind.clone()));
            }
            let path = root.join(inside.strip_prefix("/").unwrap_or(&inside));
            if path
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
            {
                return Err(None);
            }
            let Some(part) = parts.next() else {
                return Ok(());
            };
            inside.push(part);
        }
    }
}

/// Returns the mount point and the type of a line of `mountinfo`, if the type is one of [`SERVED`]: `36 35 98:0
/// /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn served(line: &[u8]) -> Option<(PathBuf, String)> {
    let mut words = line.split(|&byte| byte == b' ');
    let point = words.nth(4)?;
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    let kind = str::from_utf8(kind).ok()?;
    let is_served = SERVED.contains(&kind) || kind.starts_with("fuse.");
    is_served.then(|| (unescaped(point), kind.to_owned()))
}

/// Decodes a path in which white space and backslashes are written as `\ooo`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let code =
            octal.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_servers_are_found() {
        let of = |line: &str| served(line.as_bytes());
        assert_eq!(
            of("36 35 0:52 / /home/a\\040b rw,nosuid - fuse.sshfs host: rw,user_id=0"),
            Some(("/home/a b".into(), "fuse.sshfs".into()))
        );
        assert_eq!(
            of("36 35 0:52 / /mnt rw master:1 shared:2 - nfs4 host:/ rw"),
            Some(("/mnt".into(), "nfs4".into()))
        );
        for other in [
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
            "36 35 0:20 / /sys/fs/fuse/connections rw - fusectl fusectl rw",
            "36 35 0:20 / /x rw",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_way_leads_through_what_lies_above() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/c")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("link")).unwrap();
        let mounts = Mounts {
            served: vec![("/a/b".into(), "fuse".into())],
        };
        let way = |path: &str| mounts.server_on_the_way(root.path(), Path::new(path));
        let server = Err(Some("fuse".to_owned()));
        assert_eq!(way("a/b"), server);
        assert_eq!(way("a/b/c/file"), server);
        assert_eq!(way("a/bb/file"), Ok(()));
        assert_eq!(way("a/file"), Ok(()));
        assert_eq!(way("link/b/file"), Err(None));
        assert_eq!(way("link"), Err(None));
    }
}
