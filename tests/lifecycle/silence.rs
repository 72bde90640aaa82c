//! Never silent: what is not recorded is reported once, on stderr if there is no logger, and is listed by `status()`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mmstats::{Counter, Groups, MmStats, Percentile, Stats};

use mmstats::reader::Cause;

use super::process::{fork, wait_well};
use super::{child, root, snapshot};

#[derive(MmStats)]
#[mmstats(name = "silence")]
struct Model {
    n: Counter,
    size: Percentile,
    parts: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    n: Counter,
}

/// Runs a test again in a process of its own, with these settings; returns its output. `None` in the child.
fn in_child(name: &str, root: &Path, set: &[(&str, &str)]) -> Option<Output> {
    let name = format!("silence::{name}");
    if child::is_child(&name) {
        return None;
    }
    let mut command: Command = child::command(&name, root);
    let output = command.envs(set.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output)
}

/// Returns the lines of stderr that this library wrote.
fn reported(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.contains("mmstats: "));
    lines.map(str::to_owned).collect()
}

/// Returns a root in which no user can create anything: a file.
fn no_root() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "").unwrap();
    (directory, path)
}

fn problems(model: &str) -> Vec<String> {
    let status = mmstats::status();
    let mut models = status.models().iter();
    let found = models.find(|found| found.name() == model);
    found.map_or_else(Vec::new, |found| found.problems().to_vec())
}

#[test]
fn a_model_without_a_file_is_reported_once_on_stderr() {
    const NAME: &str = "a_model_without_a_file_is_reported_once_on_stderr";
    let (_directory, path) = no_root();
    for quiet in [false, true] {
        let set: &[_] = if quiet {
            &[("MMSTATS_QUIET", "1")]
        } else {
            &[]
        };
        let Some(output) = in_child(NAME, &path, set) else {
            let threads = [(); 4]
                .map(|()| std::thread::spawn(|| (0..10).for_each(|_| Model::local(|s| s.n.inc()))));
            for thread in threads {
                thread.join().unwrap();
            }
            let problems = problems("silence");
            assert!(
                problems.len() == 1 && problems[0].contains("is not recorded"),
                "{problems:?}"
            );
            return;
        };
        let reported = reported(&output);
        assert_eq!(reported.len(), usize::from(!quiet), "{reported:?}");
        assert!(
            reported
                .iter()
                .all(|line| line.contains("silence") && line.contains("file"))
        );
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let name = "a_setting_that_cannot_be_read_is_reported";
    let set = [("MMSTATS_MAX_SIZE", "16MB"), ("MMSTATS_MODE", "rw")];
    let Some(output) = in_child(name, root.path(), &set) else {
        Model::local(|s| s.n.inc());
        Model::local(|s| s.n.inc());
        assert_eq!(problems("").len(), 2);
        return;
    };
    let reported = reported(&output);
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(reported[0].contains("MMSTATS_MAX_SIZE=\"16MB\"") && reported[0].contains("64M"));
    assert!(reported[1].contains("MMSTATS_MODE=\"rw\"") && reported[1].contains("640"));
}

#[test]
fn groups_and_growth_that_are_refused_are_reported_once() {
    let root = tempfile::tempdir().unwrap();
    let name = "groups_and_growth_that_are_refused_are_reported_once";
    let set = [("MMSTATS_MAX_SIZE", "32K")];
    let Some(output) = in_child(name, root.path(), &set) else {
        let stats = Model::create().unwrap();
        for bits in 0..64 {
            stats.size.record(1 << bits);
        }
        for n in 0..1000 {
            stats.parts.group(&format!("g{n}")).n.inc();
        }
        let problems = problems("silence");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("coarsely") && problems[0].contains("MMSTATS_MAX_SIZE"));
        assert!(problems[1].contains("_other"));
        // The file is full, and its notes still say so.
        let snapshot = snapshot(super::root());
        let notes = snapshot.files()[0].notes();
        let causes: Vec<_> = notes.iter().map(|note| note.cause()).collect();
        assert_eq!(causes, [Cause::Growth, Cause::Group]);
        for note in notes {
            assert!(note.text().contains("MMSTATS_MAX_SIZE"), "{note:?}");
            assert!(
                !note.text().contains("mmstats-"),
                "its path is known: {note:?}"
            );
        }
        let problems = mmstats::reader::verify(snapshot.files()[0].path()).unwrap();
        assert_eq!(problems, []);
        return;
    };
    assert_eq!(reported(&output).len(), 2);
}

/// A logger that uses groups and statistics by name, and so causes the problems that it reports.
struct Counting;

impl log::Log for Counting {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        Model::local(|s| s.parts.group(&record.args().to_string()).n.inc());
        Model::local(|s| s.parts.group("not\na name").n.inc());
        mmstats::push_stat("logged", 1.0);
        Model::local(|s| s.n.inc());
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_that_uses_statistics_is_called_once_and_counts() {
    let root = tempfile::tempdir().unwrap();
    let name = "a_logger_that_uses_statistics_is_called_once_and_counts";
    let set = [("MMSTATS_MAX_SIZE", "big")];
    let Some(output) = in_child(name, root.path(), &set) else {
        log::set_logger(&Counting).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        // An invalid setting, and a name that no group can have.
        Model::local(|s| s.parts.group("a\nb").n.inc());
        Model::local(|s| s.parts.group("c\nd").n.inc());
        let calls = Model::local(|s| s.n.get());
        assert_eq!(calls, 2, "{}", mmstats::status());
        let snapshot = snapshot(super::root());
        let other = snapshot.get("silence", "_other.n").and_then(|n| n.as_u64());
        assert!(other >= Some(4), "{other:?}");
        return;
    };
    assert_eq!(
        reported(&output),
        Vec::<String>::new(),
        "the logger has them"
    );
}

#[test]
fn disabled_statistics_say_so_in_status_only() {
    let directory = tempfile::tempdir().unwrap();
    let name = "disabled_statistics_say_so_in_status_only";
    let Some(output) = in_child(name, directory.path(), &[("MMSTATS_DISABLE", "1")]) else {
        Model::local(|s| s.n.inc());
        assert!(problems("silence")[0].contains("MMSTATS_DISABLE"));
        return;
    };
    assert_eq!(reported(&output), Vec::<String>::new());
}

#[test]
fn statistics_made_before_a_fork_say_so_and_can_be_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let name = "statistics_made_before_a_fork_say_so_and_can_be_reopened";
    if in_child(name, directory.path(), &[]).is_some() {
        return;
    }
    let mut stats = Model::builder().max_groups(7).create().unwrap();
    let mut groups = Part::groups(["a", "b"]).create().unwrap();
    stats.n.add(5);
    groups["a"].n.add(5);
    stats.reopen().unwrap();
    let before = stats.path();
    let pid = fork(|| {
        stats.n.add(100);
        let inherited = problems("silence");
        assert!(
            inherited.len() == 1 && inherited[0].contains("reopen"),
            "{inherited:?}"
        );
        let pid = std::process::id();
        let parent = std::os::unix::process::parent_id();
        if cfg!(target_os = "linux") {
            assert_eq!(mmstats::reader::inherited(pid), Some((parent, 2)));
            assert_eq!(mmstats::reader::inherited(parent), None);
        }
        stats.reopen().unwrap();
        groups.reopen().unwrap();
        assert_eq!(mmstats::reader::inherited(pid), None);
        assert!(stats.path() != before && problems("silence").is_empty());
        stats.n.add(1000);
        groups["b"].n.add(7);
        let snapshot = snapshot(root());
        let get = |model: &str, label: &str| snapshot.get(model, label).and_then(|n| n.as_u64());
        assert_eq!(get("silence", "n"), Some(1005));
        assert_eq!((get("Part", "a.n"), get("Part", "b.n")), (Some(5), Some(7)));
        0
    });
    wait_well(pid);
    assert_eq!(stats.path(), before, "the parent's stays as it was");
    let _: &Stats<Model> = &stats;
}

mod library {
    /// Has the name of another model.
    #[derive(mmstats::MmStats)]
    #[mmstats(name = "silence")]
    pub struct Model {
        pub n: mmstats::Timer,
        pub own: mmstats::Counter,
    }
}

#[test]
fn two_models_of_one_name_are_reported_by_writer_and_reader() {
    let directory = tempfile::tempdir().unwrap();
    let name = "two_models_of_one_name_are_reported_by_writer_and_reader";
    let Some(output) = in_child(name, directory.path(), &[]) else {
        let elsewhere = tempfile::tempdir().unwrap();
        let apart = library::Model::builder().path(elsewhere.path()).create();
        let (ours, theirs) = (Model::create().unwrap(), library::Model::create().unwrap());
        ours.n.inc();
        theirs.own.inc();
        let problems = problems("silence");
        assert!(
            problems.len() == 1 && problems[0].contains("library::Model"),
            "{problems:?}"
        );
        let snapshot = snapshot(root());
        let types: Vec<_> = snapshot.model("silence").unwrap().types().collect();
        assert_eq!(
            types,
            [
                "lifecycle::silence::Model",
                "lifecycle::silence::library::Model"
            ]
        );
        assert!(
            snapshot.errors()[0].error().contains("is a"),
            "{:?}",
            snapshot.errors()
        );
        drop(apart);
        return;
    };
    let reported = reported(&output);
    assert!(
        reported.len() == 1 && reported[0].contains("two models"),
        "{reported:?}"
    );
}

#[test]
fn a_report_on_a_stderr_that_is_full_does_not_end_the_program() {
    const NAME: &str = "silence::a_report_on_a_stderr_that_is_full_does_not_end_the_program";
    if child::is_child(NAME) {
        // SAFETY: the struct is ours, and any program may set the default action.
        unsafe {
            let limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        }
        Model::local(|s| s.n.inc());
        assert_eq!(problems("silence").len(), 1);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let stderr = std::fs::File::create(directory.path().join("stderr")).unwrap();
    let mut command = child::command(NAME, directory.path());
    let output = command.stderr(stderr).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
