//! Limits, and file systems that refuse: an error or a fallback, never a crash.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use mmstats::{Error, MmStats, Stats};

use super::{All, child, files, is_root, many, root, skip, snapshot};

/// Counts the warnings of this process, and uses statistics itself.
struct Counting(Mutex<Vec<String>>);

static LOGGER: Counting = Counting(Mutex::new(Vec::new()));

impl log::Log for Counting {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        All::local(|s| s.n.add(1000));
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

impl Counting {
    fn install(&'static self) {
        log::set_logger(self).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    }

    fn warnings(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Lowers a limit of this process.
fn limit(what: libc::__rlimit_resource_t, to: u64) {
    let limit = libc::rlimit {
        rlim_cur: to,
        rlim_max: to,
    };
    // SAFETY: the struct is ours.
    assert_eq!(unsafe { libc::setrlimit(what, &limit) }, 0);
}

/// Runs a test in a child; returns the root in the child.
fn in_child(name: &str) -> Option<PathBuf> {
    if child::is_child(name) {
        return Some(root());
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    None
}

/// Asserts that `create` fails, and that `local` falls back with one warning, whatever the number of threads.
fn wants_one_warning() {
    let error = All::create().err().unwrap();
    assert!(
        matches!(error, Error::Io { .. } | Error::Full { .. }),
        "{error}"
    );
    let threads = [(); 4].map(|()| {
        std::thread::spawn(|| {
            for _ in 0..3 {
                All::local(|s| s.n.inc());
            }
            // The logger adds 1000 on the thread that warned.
            All::local(|s| s.n.get() % 1000)
        })
    });
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 3);
    }
    let warnings = LOGGER.warnings();
    let fallbacks: Vec<_> = (warnings.iter())
        .filter(|warning| warning.contains("is not recorded"))
        .collect();
    assert_eq!(fallbacks.len(), 1, "{warnings:?}");
}

/// Asserts that without space the groups of an existing file count all values.
fn wants_other(root: &Path, before: &Stats<All>) {
    let mut refused = 0;
    for i in 0..2000 {
        let name = format!("g{i}");
        refused += u64::from(before.parts.try_group(&name).is_err());
        before.parts.group(&name).n.inc();
    }
    let snapshot = snapshot(root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let of = |label: &str| {
        snapshot
            .get("All", label)
            .map_or(0, |v| v.as_u64().unwrap())
    };
    let sum: u64 = snapshot.labels("g*.n").map(of).sum();
    assert_eq!(sum + of("_other.n"), 2000);
    assert!(refused > 0 && of("_other.n") > 0, "{refused} refused");
}

/// An invalid name is reported once, and not at full length.
#[test]
fn the_warning_for_a_refused_group_is_short() {
    if in_child("space::the_warning_for_a_refused_group_is_short").is_none() {
        return;
    }
    LOGGER.install();
    let stats = All::create().unwrap();
    for name in ["x".repeat(1 << 20), "y".repeat(1 << 20)] {
        stats.parts.group(&name).n.inc();
    }
    let warnings = LOGGER.warnings();
    let [warning] = &warnings[..] else {
        panic!("{warnings:.1000?}");
    };
    assert!(
        warning.contains("xxx") && warning.len() < 1000,
        "{warning:.1000}"
    );
}

#[test]
fn with_little_address_space() {
    let Some(root) = in_child("space::with_little_address_space") else {
        return;
    };
    LOGGER.install();
    // The current size of the process, and a little more: a file of 16 MiB is refused, one of 4 MiB is not.
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let now = 4096 * pages.split(' ').next().unwrap().parse::<u64>().unwrap();
    limit(libc::RLIMIT_AS, now + (12 << 20));
    let less = All::create().unwrap();
    less.n.add(1);
    for i in 0..50 {
        less.parts.group(&format!("g{i}")).n.inc();
    }
    assert_eq!(snapshot(&root).get("All", "n").unwrap().as_u64(), Some(1));
    // As many as there is space for; then an error.
    let mut more = Vec::new();
    let error = loop {
        match All::create() {
            Ok(stats) => more.push(stats),
            Err(error) => break error,
        }
        assert!(more.len() < 1000, "the limit does not hold");
    };
    assert!(
        matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(libc::ENOMEM)),
        "{error}"
    );
    more.truncate(more.len() / 2);
    All::local(|s| s.n.add(2));
    assert!(All::local(|s| s.n.get()) >= 2);
}

#[test]
fn with_a_limit_on_the_size_of_files() {
    let Some(root) = in_child("space::with_a_limit_on_the_size_of_files") else {
        return;
    };
    LOGGER.install();
    let before = All::create().unwrap();
    // SIGXFSZ would end this process.
    limit(libc::RLIMIT_FSIZE, 4096);
    wants_one_warning();
    wants_other(&root, &before);
}

#[test]
fn no_descriptor_is_kept_for_a_file() {
    let Some(root) = in_child("space::no_descriptor_is_kept_for_a_file") else {
        return;
    };
    // (A process of a superuser keeps some: see `rights`.)
    super::rights::give_up(&root);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    limit(libc::RLIMIT_NOFILE, 64);
    let many: Vec<Stats<All>> = (0..many(1000, 200))
        .map(|_| All::create().unwrap())
        .collect();
    for (n, stats) in many.iter().enumerate() {
        stats.n.add(1);
        for i in 0..20 {
            stats.parts.group(&format!("g{i}")).n.add(n as u64);
        }
    }
    // One for the root; and one for the lock if a mapping does not keep it (overlayfs).
    assert!(open() <= before + 2, "{before} before, {} now", open());
    drop(many);
    assert!(files(&root, "All").is_empty());
}

#[test]
fn without_descriptors() {
    let Some(root) = in_child("space::without_descriptors") else {
        return;
    };
    LOGGER.install();
    let before = All::create().unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
        limit(libc::RLIMIT_NOFILE, 64);
    }
    let error = All::create().err().unwrap();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(libc::EMFILE)),
        "{error}"
    );
    All::local(|s| s.n.inc());
    for i in 0..200 {
        before.parts.group(&format!("g{i}")).n.inc();
    }
    assert_eq!(LOGGER.warnings().len(), 2, "{:?}", LOGGER.warnings());
    drop(taken);
    let snapshot = snapshot(&root);
    let sum: u64 = (snapshot.labels("*.n"))
        .map(|label| snapshot.get("All", label).unwrap().as_u64().unwrap())
        .sum();
    assert_eq!(sum, 200);
    // Descriptors are available again: new files work, on another thread.
    std::thread::spawn(|| All::local(|s| s.n.add(7)))
        .join()
        .unwrap();
    assert_eq!(
        self::snapshot(&root).get("All", "n").unwrap().as_u64(),
        Some(7)
    );
}

#[test]
fn on_a_read_only_file_system() {
    const NAME: &str = "space::on_a_read_only_file_system";
    if child::is_child(NAME) {
        LOGGER.install();
        return wants_one_warning();
    }
    if !is_root() {
        return skip("mount without being root");
    }
    // With and without the model's directory: two ways to be refused.
    let disk = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let status = Command::new("mount")
            .args(arguments)
            .arg(disk.path())
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "tmpfs"]) {
        return skip("mount a tmpfs");
    }
    let run = || {
        assert!(mount(&["-o", "remount,ro"]));
        let output = child::command(NAME, disk.path()).output().unwrap();
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), report)
    };
    let without = run();
    assert!(mount(&["-o", "remount,rw"]));
    std::fs::create_dir(disk.path().join("All")).unwrap();
    let with = run();
    let _ = Command::new("umount").arg("-l").arg(disk.path()).status();
    for (good, report) in [without, with] {
        assert!(good, "{report}");
    }
}

#[test]
fn in_a_directory_that_may_not_be_written() {
    const NAME: &str = "space::in_a_directory_that_may_not_be_written";
    if !child::is_child(NAME) {
        if !is_root() {
            return skip("change the user without being root");
        }
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    LOGGER.install();
    let root = root();
    let open = |mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&root, mode).unwrap();
    };
    open(0o777);
    // SAFETY: it affects this process only; both ids change before any file is made.
    unsafe {
        assert_eq!(libc::setgid(65534), 0);
        assert_eq!(libc::setuid(65534), 0);
    }
    let before = All::builder().max_size(64 << 10).create().unwrap();
    let directory = root.join("All");
    let shut = std::os::unix::fs::PermissionsExt::from_mode(0o500);
    std::fs::set_permissions(&directory, shut).unwrap();
    wants_one_warning();
    wants_other(&root, &before);
}
