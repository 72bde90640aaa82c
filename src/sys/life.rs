//! Whether the process that made a file still lives: the kernel says.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::identity::{LOCK_FILE, Process, Stat, ask_lock};
use super::seed::{RandomState, random_state};
use crate::format::header::{Header, LockToken};

/// Whether the process that made a file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It does not.
    Dead,
    /// It cannot be said from here.
    Unknown,
}

/// Answers whether processes live, each once per round.
#[derive(Debug)]
pub struct Witness {
    roots: Vec<(PathBuf, Option<OpenLock>)>,
    answers: HashMap<(usize, Asked), Life, RandomState>,
    proofs: HashMap<(usize, Asked), bool, RandomState>,
}

#[derive(Debug)]
struct OpenLock {
    file: File,
    device: u64,
    inode: u64,
}

/// What an answer depends on.
type Asked = (LockToken, u32, u64, [u8; 16], u64, [u8; 16]);

fn asked(header: &Header) -> Asked {
    (
        header.lock,
        header.pid,
        header.start_time,
        header.boot_id,
        header.pid_namespace,
        header.machine_id,
    )
}

impl Witness {
    /// A witness who has not been asked yet.
    pub fn new() -> Witness {
        Witness {
            roots: Vec::new(),
            answers: HashMap::with_hasher(random_state()),
            proofs: HashMap::with_hasher(random_state()),
        }
    }

    /// Forgets the answers: processes may have ended since.
    pub fn begin_round(&mut self) {
        self.answers.clear();
        self.proofs.clear();
        self.roots.clear();
    }

    /// Whether the process that the header of a file under `root` names lives.
    pub fn life(&mut self, root: &Path, header: &Header) -> Life {
        let place = self.root(root);
        let lock = self.roots[place].1.as_ref();
        *self
            .answers
            .entry((place, asked(header)))
            .or_insert_with(|| {
                lock.and_then(|lock| lock.holder_lives(header.lock))
                    .unwrap_or_else(|| life_by_pid(header))
            })
    }

    /// Whether every test at hand says that it does not live. Only then is anything done to its files.
    ///
    /// Asked once for each process, however many files it left: who is dead stays dead. That wants a
    /// header that no later process can have, too: a token is random, and two processes of one pid
    /// start at different times. Where neither is known, each file is asked about.
    pub fn proved_dead(&mut self, root: &Path, header: &Header) -> bool {
        let place = self.root(root);
        let lock = self.roots[place].1.as_ref();
        if header.lock.token == 0 && header.start_time == 0 {
            return prove_dead(lock, header);
        }
        let proof = self.proofs.entry((place, asked(header)));
        *proof.or_insert_with(|| prove_dead(lock, header))
    }

    /// The place of a root among those that were asked about.
    fn root(&mut self, root: &Path) -> usize {
        // As it is spelled: a second spelling would be opened a second time, and say the same.
        let spelled = |path: &PathBuf| path.as_os_str() == root.as_os_str();
        let known = self.roots.iter().position(|(path, _)| spelled(path));
        known.unwrap_or_else(|| {
            self.roots.push((root.to_owned(), open_for_asking(root)));
            self.roots.len() - 1
        })
    }
}

fn open_for_asking(root: &Path) -> Option<OpenLock> {
    let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(root.join(LOCK_FILE))
        .ok()?;
    let metadata = file.metadata().ok()?;
    Some(OpenLock {
        device: metadata.dev(),
        inode: metadata.ino(),
        file,
    })
}

fn prove_dead(lock: Option<&OpenLock>, header: &Header) -> bool {
    match lock.and_then(|lock| lock.holder_lives(header.lock)) {
        Some(Life::Dead) => life_by_pid(header) != Life::Alive,
        Some(Life::Alive | Life::Unknown) => false,
        None => life_by_pid(header) == Life::Dead,
    }
}

impl OpenLock {
    /// `None`: this lock file cannot say.
    fn holder_lives(&self, lock: LockToken) -> Option<Life> {
        let here = (lock.device, lock.inode) == (self.device, self.inode);
        if !here || lock.token == 0 || lock.token > i64::MAX as u64 {
            return None;
        }
        ask_lock(&self.file, lock.token).map(|held| if held { Life::Alive } else { Life::Dead })
    }
}

/// Without a lock: by pid, start time, boot, pid namespace and machine.
fn life_by_pid(header: &Header) -> Life {
    life_from(header, Process::this())
}

/// [`life_by_pid`], as the process `here` sees it.
fn life_from(header: &Header, here: &Process) -> Life {
    let known = |id: [u8; 16]| id != [0; 16];
    if known(header.boot_id) && known(here.boot_id) && header.boot_id != here.boot_id {
        // An earlier boot of this machine is over. That of another one may not be: a network file
        // system shows the files of all.
        return if known(here.machine_id) && header.machine_id == here.machine_id {
            Life::Dead
        } else {
            Life::Unknown
        };
    }
    if header.pid_namespace == 0 || header.pid_namespace != here.pid_namespace {
        return Life::Unknown;
    }
    let Ok(pid @ 1..) = libc::pid_t::try_from(header.pid) else {
        return Life::Unknown;
    };
    // SAFETY: signal 0 only asks.
    if unsafe { libc::kill(pid, 0) } != 0 {
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::ESRCH) => return Life::Dead,
            // Somebody else's: it is there. Whether it is the one, its start time says.
            Some(libc::EPERM) => {}
            _ => return Life::Unknown,
        }
    }
    match Stat::of(header.pid) {
        Some(stat) if stat.ended => Life::Dead,
        // The pid belongs to somebody else by now.
        Some(stat) if header.start_time != 0 && stat.start_time != header.start_time => Life::Dead,
        _ => Life::Alive,
    }
}

/// When the process started that made a file with this header; `None` if that is not known.
pub fn started(header: &Header) -> Option<SystemTime> {
    let here = Process::this();
    if header.start_time == 0 || header.boot_id == [0; 16] || header.boot_id != here.boot_id {
        return None;
    }
    // SAFETY: a sysconf query has no preconditions.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let nanos = u128::from(header.start_time) * 1_000_000_000 / u128::from(per_second.max(1));
    let since_boot = Duration::from_nanos(u64::try_from(nanos).ok()?);
    let boot = SystemTime::now().checked_sub(super::clock::since_boot()?)?;
    boot.checked_add(since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_boot_is_the_end_only_on_the_same_machine() {
        let here = Process {
            boot_id: [1; 16],
            machine_id: [7; 16],
            pid_namespace: 5,
            ..Process::default()
        };
        let life = |boot: u8, machine: u8| {
            let header = Header {
                boot_id: [boot; 16],
                machine_id: [machine; 16],
                pid_namespace: 5,
                pid: std::process::id(),
                ..Header::default()
            };
            life_from(&header, &here)
        };
        assert_eq!(life(2, 7), Life::Dead);
        assert_eq!(life(2, 8), Life::Unknown, "another machine");
        assert_eq!(life(2, 0), Life::Unknown, "it is not known which machine");
        // One kernel: a container may have a machine id of its own.
        for machine in [7, 8, 0] {
            assert_eq!(life(1, machine), Life::Alive);
        }
        assert_eq!(life(0, 7), Life::Alive, "as far as is known");
        let nowhere = Process {
            machine_id: [0; 16],
            ..here.clone()
        };
        let header = Header {
            boot_id: [2; 16],
            ..Header::default()
        };
        assert_eq!(life_from(&header, &nowhere), Life::Unknown);
    }

    #[test]
    fn a_proof_is_kept_only_where_no_later_process_can_have_the_header() {
        let root = tempfile::tempdir().unwrap();
        for (start_time, again) in [(1, false), (0, true)] {
            let mut child = std::process::Command::new("sleep")
                .arg("60")
                .spawn()
                .unwrap();
            let here = Process::this();
            let header = Header {
                pid: child.id(),
                // Its real one, where there is to be one.
                start_time: start_time * Stat::of(child.id()).unwrap().start_time,
                boot_id: here.boot_id,
                machine_id: here.machine_id,
                pid_namespace: here.pid_namespace,
                ..Header::default()
            };
            let mut witness = Witness::new();
            assert!(!witness.proved_dead(root.path(), &header));
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(witness.proved_dead(root.path(), &header), again);
            witness.begin_round();
            assert!(witness.proved_dead(root.path(), &header));
        }
    }
}
