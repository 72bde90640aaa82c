//! Liveness: whether the process that made a file still lives, according to the kernel.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::file_lock::{ask_lock, is_local};
use super::identity::{LOCK_FILE, ProcessIdentity, ProcessStat};
use crate::format::header::{Header, LockToken};
use crate::sys::memory::hashing::{RandomState, random_state};

/// Whether the process that made a file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It lives.
    Alive,
    /// It does not live.
    Dead,
    /// It cannot be determined from here.
    Unknown,
}

/// Tells whether processes live. Asks once per round for each process.
#[derive(Debug)]
pub struct Witness {
    roots: Vec<Root>,
    answers: HashMap<(usize, LivenessKey), Liveness, RandomState>,
    proofs: HashMap<(usize, LivenessKey), bool, RandomState>,
}

/// A root that was asked about.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    lock: Option<OpenLock>,
    /// Whether processes of other machines cannot write here.
    is_local: bool,
}

#[derive(Debug)]
struct OpenLock {
    file: File,
    device: u64,
    inode: u64,
}

/// Everything that an answer depends on.
type LivenessKey = (LockToken, u32, u64, [u8; 16], u64, [u8; 16], u64);

fn asked(header: &Header) -> LivenessKey {
    (
        header.lock,
        header.pid,
        header.start_time,
        header.boot_id,
        header.pid_namespace,
        header.machine_id,
        header.time_namespace,
    )
}

impl Witness {
    /// Makes a witness without answers.
    pub fn new() -> Witness {
        Witness {
            roots: Vec::new(),
            answers: HashMap::with_hasher(random_state()),
            proofs: HashMap::with_hasher(random_state()),
        }
    }

    /// Forgets the answers, because processes may have ended since.
    pub fn begin_round(&mut self) {
        self.answers.clear();
        self.proofs.clear();
        self.roots.clear();
    }

    /// Returns whether the process lives that the header of a file under `root` names.
    pub fn life(&mut self, root: &Path, header: &Header) -> Liveness {
        let place = self.root(root);
        let root = &self.roots[place];
        (self.answers.entry((place, asked(header))))
            .or_insert_with(|| root.life(header, ProcessIdentity::this()))
            .to_owned()
    }

    /// Returns whether that process is proved dead. Only then is anything done to its files.
    ///
    /// Asks once for each process, however many files it left, because a dead process stays dead. This requires a
    /// header that no later process can have, too: a token is random, and two processes with one pid start at
    /// different times. If the header has neither, it asks for each file.
    pub fn proved_dead(&mut self, root: &Path, header: &Header) -> bool {
        let place = self.root(root);
        let root = &self.roots[place];
        if header.lock.token == 0 && header.start_time == 0 {
            return root.proves_death(header);
        }
        let proof = self.proofs.entry((place, asked(header)));
        *proof.or_insert_with(|| root.proves_death(header))
    }

    /// Returns the index of a root among those that were asked about.
    fn root(&mut self, root: &Path) -> usize {
        // By spelling: another spelling of the same root is opened again and gives the same answers.
        let spelled = |known: &Root| known.path.as_os_str() == root.as_os_str();
        let known = self.roots.iter().position(spelled);
        known.unwrap_or_else(|| {
            self.roots.push(Root::open(root));
            self.roots.len() - 1
        })
    }
}

impl Root {
    fn open(path: &Path) -> Root {
        let open = |path: &Path, flags: libc::c_int| {
            let mut options = OpenOptions::new();
            let flags = flags | libc::O_CLOEXEC | libc::O_NONBLOCK;
            options.read(true).custom_flags(flags).open(path)
        };
        let lock = || {
            let file = open(&path.join(LOCK_FILE), libc::O_NOFOLLOW).ok()?;
            let metadata = file.metadata().ok()?;
            Some(OpenLock {
                device: metadata.dev(),
                inode: metadata.ino(),
                file,
            })
        };
        Root {
            path: path.to_owned(),
            lock: lock(),
            is_local: open(path, libc::O_DIRECTORY).is_ok_and(|directory| is_local(&directory)),
        }
    }

    /// Returns whether the process of a header lives, as seen by the process `here`: docs/FORMAT.md, "Liveness".
    fn life(&self, header: &Header, here: &ProcessIdentity) -> Liveness {
        let known = |id: [u8; 16]| id != [0; 16];
        let held = self
            .lock
            .as_ref()
            .and_then(|lock| lock.is_held(header.lock));
        if known(header.boot_id) && known(here.boot_id) && header.boot_id != here.boot_id {
            // Of another kernel. If that was an earlier one of this machine, the process is dead. Machine ids alone
            // do not prove this, since images are copied with them, and a network file system shows the files of
            // all machines; but none of those can be on a local file system.
            let is_over =
                known(here.machine_id) && header.machine_id == here.machine_id && self.is_local;
            return match held {
                Some(true) => Liveness::Alive,
                _ if is_over => Liveness::Dead,
                _ => Liveness::Unknown,
            };
        }
        match held {
            // Anybody who may write the lock file could hold the lock forever.
            Some(true) if is_gone(header, here) => Liveness::Dead,
            Some(true) => Liveness::Alive,
            Some(false) if header.lock.pinned => Liveness::Dead,
            _ => life_by_pid(header, here),
        }
    }

    /// Returns whether the process is proved dead. A free lock is no proof while the pid lives: after an exec it
    /// does, and the files stay.
    fn proves_death(&self, header: &Header) -> bool {
        let here = ProcessIdentity::this();
        self.life(header, here) == Liveness::Dead && life_by_pid(header, here) != Liveness::Alive
    }
}

impl OpenLock {
    /// Returns whether the lock is held; `None` if this lock file cannot tell.
    fn is_held(&self, lock: LockToken) -> Option<bool> {
        let here = (lock.device, lock.inode) == (self.device, self.inode);
        if !here || lock.token == 0 || lock.token > i64::MAX as u64 {
            return None;
        }
        ask_lock(&self.file, lock.token)
    }
}

/// Returns the pid of a header if the process `here` can ask about it, that is, if it means the same process for
/// both.
fn pid_of(header: &Header, here: &ProcessIdentity) -> Option<Pid> {
    let same = header.pid_namespace != 0 && header.pid_namespace == here.pid_namespace;
    if !same || !here.is_of_this_boot(header) {
        return None;
    }
    Pid::from_raw(header.pid.try_into().ok()?)
}

/// Returns whether no process has the pid of a header.
fn is_gone(header: &Header, here: &ProcessIdentity) -> bool {
    pid_of(header, here).is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Decides without a lock, by pid and start time, where they have a meaning here.
fn life_by_pid(header: &Header, here: &ProcessIdentity) -> Liveness {
    let Some(pid) = pid_of(header, here) else {
        return Liveness::Unknown;
    };
    match test_kill_process(pid) {
        Err(Errno::SRCH) => return Liveness::Dead,
        // A process with this pid exists, perhaps of another user. Its start time tells whether it is the same one.
        Ok(()) | Err(Errno::PERM) => {}
        Err(_) => return Liveness::Unknown,
    }
    let stat = if here.proc_is_own {
        ProcessStat::of(header.pid)
    } else {
        None
    };
    let comparable = header.start_time != 0 && here.shares_clock(header);
    match stat {
        Some(stat) if stat.ended => Liveness::Dead,
        // The pid belongs to another process by now.
        Some(stat) if comparable && stat.start_time != header.start_time => Liveness::Dead,
        _ => Liveness::Alive,
    }
}

/// Returns when the process that made a file with this header started; `None` if that is not known.
pub fn started(header: &Header) -> Option<SystemTime> {
    let here = ProcessIdentity::this();
    if header.start_time == 0 || !here.shares_clock(header) {
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

    /// Returns a root without a lock file.
    fn root(is_local: bool) -> Root {
        Root {
            path: PathBuf::new(),
            lock: None,
            is_local,
        }
    }

    /// Returns a header of a file of this process.
    fn of_this(here: &ProcessIdentity) -> Header {
        here.header("m", LockToken::default())
    }

    #[test]
    fn another_boot_is_the_end_only_on_the_same_machine_and_its_own_file_system() {
        let here = ProcessIdentity {
            boot_id: [1; 16],
            machine_id: [7; 16],
            pid_namespace: 5,
            ..ProcessIdentity::default()
        };
        let life = |boot: u8, machine: u8, is_local: bool| {
            let header = Header {
                boot_id: [boot; 16],
                machine_id: [machine; 16],
                pid_namespace: 5,
                pid: std::process::id(),
                ..Header::default()
            };
            root(is_local).life(&header, &here)
        };
        assert_eq!(life(2, 7, true), Liveness::Dead);
        assert_eq!(
            life(2, 7, false),
            Liveness::Unknown,
            "two machines of one id"
        );
        assert_eq!(life(2, 8, true), Liveness::Unknown, "another machine");
        assert_eq!(
            life(2, 0, true),
            Liveness::Unknown,
            "not known which machine"
        );
        // The same kernel: a container may have its own machine id.
        for machine in [7, 8, 0] {
            assert_eq!(life(1, machine, false), Liveness::Alive);
        }
        assert_eq!(life(0, 7, true), Liveness::Unknown, "not known which boot");
        let nowhere = ProcessIdentity {
            machine_id: [0; 16],
            ..here.clone()
        };
        let header = Header {
            boot_id: [2; 16],
            ..Header::default()
        };
        assert_eq!(root(true).life(&header, &nowhere), Liveness::Unknown);
    }

    #[test]
    fn a_pid_that_is_not_there_proves_nothing_where_the_boot_is_not_known() {
        let here = ProcessIdentity::this();
        let unknown = ProcessIdentity {
            boot_id: [0; 16],
            ..here.clone()
        };
        let header = Header {
            // No process has this pid: they end at 2²².
            pid: i32::MAX as u32,
            ..of_this(here)
        };
        assert_eq!(root(true).life(&header, here), Liveness::Dead);
        assert_eq!(root(true).life(&header, &unknown), Liveness::Unknown);
        let header = Header {
            boot_id: [0; 16],
            ..header
        };
        assert_eq!(root(true).life(&header, here), Liveness::Unknown);
        assert_eq!(root(true).life(&header, &unknown), Liveness::Unknown);
    }

    #[test]
    fn a_start_time_is_compared_only_by_one_clock_and_in_the_own_proc() {
        let here = ProcessIdentity::this();
        let mut header = of_this(here);
        // From this thread: under qemu's user emulation, each thread has its own start time.
        if let Some(stat) = ProcessStat::of(header.pid) {
            header.start_time = stat.start_time;
        }
        assert_eq!(root(true).life(&header, here), Liveness::Alive);
        header.start_time += 1;
        assert_eq!(root(true).life(&header, here), Liveness::Dead, "used again");
        let elsewhere = ProcessIdentity {
            proc_is_own: false,
            ..here.clone()
        };
        assert_eq!(root(true).life(&header, &elsewhere), Liveness::Alive);
        assert!(started(&header).is_some());
        header.time_namespace ^= 1;
        assert_eq!(root(true).life(&header, here), Liveness::Alive);
        assert_eq!(started(&header), None);
        assert!(!here.shares_clock(&header));
    }

    #[test]
    fn a_proof_is_kept_only_where_no_later_process_can_have_the_header() {
        let root = tempfile::tempdir().unwrap();
        for (start_time, again) in [(1, false), (0, true)] {
            let mut child = std::process::Command::new("sleep")
                .arg("60")
                .spawn()
                .unwrap();
            let here = ProcessIdentity::this();
            let header = Header {
                pid: child.id(),
                // The real one, if the case has one.
                start_time: start_time * ProcessStat::of(child.id()).unwrap().start_time,
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
