//! What is printed about processes that have ended, and what is done with their files.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use mmstats::MmStats;

use super::{Db, child, mmstats, show_json, text_of};

/// Runs the test `name` as a child that ends in the way `how`. Its files stay unless it exits cleanly.
fn end(name: &str, root: &Path, how: &str) -> Output {
    let mut command = child::command(name, root);
    command.env("HOW", how).output().unwrap()
}

/// The child: counts, and ends.
fn be_the_child() {
    mmstats::install_panic_hook();
    Db::local(|s| s.queries.add(7));
    match &*std::env::var("HOW").unwrap() {
        "kept" | "exit" => {}
        "killed" => {
            // SAFETY: this process.
            unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) };
        }
        "caught" => {
            let _ = std::thread::spawn(|| panic!("a caught panic")).join();
            // SAFETY: this process.
            unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) };
        }
        other => unreachable!("{other}"),
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", text_of(&output.stdout), text_of(&output.stderr))
}

fn run(arguments: &[&str], path: &Path) -> Output {
    mmstats().args(arguments).arg(path).output().unwrap()
}

#[test]
fn an_autopsy_says_how_each_process_ended() {
    const NAME: &str = "endings::an_autopsy_says_how_each_process_ended";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    assert_eq!(
        end(NAME, root.path(), "killed").status.signal(),
        Some(libc::SIGKILL)
    );
    let killed = said(&run(&["autopsy"], root.path()));
    assert!(
        killed.contains("ended       killed by a signal, or crashed"),
        "{killed}"
    );
    assert!(
        killed.contains("started     20") && killed.contains(" UTC"),
        "{killed}"
    );
    assert!(killed.contains("last stamp  not known"), "{killed}");
    assert!(
        killed.contains("queries") && killed.contains("=> 7"),
        "{killed}"
    );
    assert!(!killed.contains("last panic"), "{killed}");

    let caught = tempfile::tempdir().unwrap();
    end(NAME, caught.path(), "caught");
    let caught = said(&run(&["autopsy"], caught.path()));
    assert!(
        caught.contains("ended       killed by a signal, or crashed"),
        "{caught}"
    );
    let words = "' panicked at tests/cli/endings.rs:";
    assert!(
        caught.contains(words) && caught.contains(": a caught panic"),
        "{caught}"
    );

    let kept = tempfile::tempdir().unwrap();
    let mut command = child::command(NAME, kept.path());
    child::run(command.env("HOW", "kept").env("MMSTATS_KEEP", "1"));
    let kept = said(&run(&["autopsy"], kept.path()));
    assert!(kept.contains("ended       clean"), "{kept}");

    let none = tempfile::tempdir().unwrap();
    let db = Db::builder().path(none.path()).create().unwrap();
    db.queries.inc();
    let living = run(&["autopsy"], none.path());
    assert!(living.status.success());
    assert!(
        said(&living).contains("no process has ended and left files here; 1 file of"),
        "{living:?}"
    );
    // A pid that no process has any more.
    let mut pid = mmstats();
    let status = Command::new("true").spawn().unwrap();
    let gone = status.id().to_string();
    status.wait_with_output().unwrap();
    let unknown = pid
        .args(["autopsy", &gone])
        .env("MMSTATS_PATH", root.path())
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown).contains(&format!("process {gone} has ended and left no files here")),
        "{unknown:?}"
    );
}

#[test]
fn clean_says_what_it_would_do_and_does_it() {
    const NAME: &str = "endings::clean_says_what_it_would_do_and_does_it";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        end(NAME, root.path(), "killed");
    }
    let live = Db::builder().path(root.path()).create().unwrap();
    live.queries.add(1);
    let queries =
        || show_json(&[], &[root.path()])["models"]["Db"]["stats"]["queries"]["value"].clone();
    assert_eq!(queries(), 22);
    let dry = run(&["clean", "--dry-run"], root.path());
    assert_eq!(
        text_of(&dry.stdout).matches("would remove ").count(),
        3,
        "{dry:?}"
    );
    let young = run(&["clean", "--older-than", "14d"], root.path());
    assert!(
        young.status.success() && young.stdout.is_empty(),
        "{young:?}"
    );
    assert!(
        text_of(&young.stderr).contains("nothing to clean in"),
        "{young:?}"
    );
    // Each file has its own reason: three belong to dead processes, one is being written.
    for reason in [
        "3 files of a process that has ended, but younger than 14days",
        "1 file of a process that is alive",
    ] {
        assert!(text_of(&young.stderr).contains(reason), "{young:?}");
    }
    let folded = run(&["clean", "--fold"], root.path());
    assert_eq!(
        text_of(&folded.stdout).matches("folded ").count(),
        3,
        "{folded:?}"
    );
    assert_eq!(queries(), 22, "the totals stay");
    let shown = show_json(&[], &[root.path()]);
    let files = shown["models"]["Db"]["files"].as_array().unwrap().clone();
    assert_eq!(files.len(), 2);
    let retired = files.iter().find(|file| file["retired"] == 3).unwrap();
    assert_eq!(retired["state"], "dead");
    assert_eq!(shown["models"]["Db"]["processes"], 1);
    end(NAME, root.path(), "killed");
    let removed = run(&["clean"], root.path());
    assert_eq!(
        text_of(&removed.stdout).matches("removed ").count(),
        1,
        "{removed:?}"
    );
    assert_eq!(queries(), 22);
    // A file that is not a stats file is left, and is named.
    let foreign = root.path().join("Db/mmstats-1-1");
    let mut file = std::fs::File::create(&foreign).unwrap();
    file.write_all(b"mine").unwrap();
    let left = run(&["clean"], root.path());
    assert_eq!(left.status.code(), Some(1), "{left:?}");
    assert!(text_of(&left.stderr).contains("mmstats-1-1"), "{left:?}");
    assert!(foreign.exists());
    // Without its boot, whether the process of a copy lives is never known: only the age of the file counts.
    let mut bytes = std::fs::read(live.path().unwrap()).unwrap();
    bytes[48..56].fill(0);
    bytes[80..128].fill(0);
    std::fs::write(&foreign, bytes).unwrap();
    let aged = std::fs::File::options().write(true).open(&foreign).unwrap();
    aged.set_modified(std::time::SystemTime::now() - Duration::from_secs(8 * 24 * 3600))
        .unwrap();
    let ageless = run(&["clean", "--unknown"], root.path());
    assert_eq!(ageless.status.code(), Some(2), "{ageless:?}");
    assert!(
        text_of(&ageless.stderr).contains("--older-than"),
        "{ageless:?}"
    );
    run(&["clean", "--older-than", "7d"], root.path());
    assert!(foreign.exists());
    let unknown = run(&["clean", "--unknown", "--older-than", "7d"], root.path());
    assert_eq!(text_of(&unknown.stdout).lines().count(), 1, "{unknown:?}");
    assert!(!foreign.exists() && live.path().unwrap().exists());
    let wrong = run(&["clean", "--older-than", "soon"], root.path());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text_of(&wrong.stderr).contains("a number and its unit: 30s, 45m, 12h, 14d"),
        "{wrong:?}"
    );
    let retired = root.path().join("Db/mmstats-retired");
    let left = run(&["clean"], &retired);
    assert!(
        text_of(&left.stderr).contains(&format!("`rm {}` removes it", retired.display())),
        "{left:?}"
    );
}

#[test]
fn a_pid_gets_the_sentence_that_fits_whether_it_lives_or_not() {
    let root = tempfile::tempdir().unwrap();
    let says = |arguments: [&str; 2]| {
        let mut command = mmstats();
        let output = command
            .args(arguments)
            .env("MMSTATS_PATH", root.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        said(&output)
    };
    // A process that lives and has no files, and a pid that no process can have.
    let mut child = Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let alive = child.id().to_string();
    let words = says(["autopsy", &alive]);
    assert!(
        words.contains(&format!("process {alive} is alive: autopsy is for")),
        "{words}"
    );
    let words = says(["ls", &alive]);
    assert!(
        words.contains(&format!("process {alive}, which is alive")),
        "{words}"
    );
    let words = says(["ls", "99999999"]);
    assert!(words.contains("there is no such process"), "{words}");
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn clean_says_that_it_waits_for_another_who_folds() {
    const NAME: &str = "endings::clean_says_that_it_waits_for_another_who_folds";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    end(NAME, root.path(), "killed");
    let lock = std::fs::File::create(root.path().join("Db/.fold")).unwrap();
    lock.lock().unwrap();
    let mut clean = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    clean.args(["clean", "--fold"]).arg(root.path());
    let mut clean = child::start(clean.stderr(std::process::Stdio::piped()));
    let mut said = String::new();
    let mut stderr = BufReader::new(clean.0.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("Db: waiting for another process"), "{said}");
    drop(lock);
    assert!(clean.0.wait().unwrap().success());
    assert!(root.path().join("Db/mmstats-retired").exists());
}
