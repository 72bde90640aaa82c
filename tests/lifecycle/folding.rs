//! Totals of processes that have ended: each count is seen once, at every moment, whichever process is killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use mmstats::reader::{Reader, Snapshot, State};
use mmstats::retire::{Cleaner, Outcome};
use mmstats::{MmStats, Value};

use super::disk::SmallDisk;
use super::{All, Line, child, files, many, root, snapshot};

/// Counts what one worker counts, on each of two threads.
fn work() {
    // Both threads exist at the same time, so neither adopts the file of the other.
    let both = Barrier::new(2);
    let count = || {
        All::local(|s| {
            s.n.add(5);
            s.level.set(9);
            s.time.record(Duration::from_millis(3));
            s.size.record(1 << (std::process::id() % 40));
            s.line.set(Line::of(2));
            s.text.set("worked");
            s.parts.group("a").n.inc();
            for value in [1.0, 3.0, f64::NAN] {
                s.load.record(value);
                s.mean.record(value);
                s.recent.record(value);
            }
            s.hits.add(2);
            s.errors.record(&std::fmt::Error);
            // Each process has an error of its own.
            let own = std::process::id() % 1000 + 300;
            s.errors.record(&own.to_string().parse::<u8>().unwrap_err());
            s.last.push_with(1.0, "gone with its file");
        });
        both.wait();
    };
    std::thread::scope(|scope| {
        scope.spawn(count);
        count();
    });
}

/// Returns the command for a worker, by the name of its test, with its environment.
fn worker(name: &str, root: &Path) -> Command {
    let mut command = child::command(name, root);
    command.env("MMSTATS_FOLD", "1");
    command
}

fn total(snapshot: &Snapshot) -> u64 {
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    (snapshot.get("All", "n")).map_or(0, |value| value.as_u64().unwrap())
}

/// Returns everything that outlives a process: gauges, up-downs, flags and histories do not.
fn totals(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let ends = |value: &Value| {
        matches!(
            value,
            Value::Gauge(_) | Value::UpDown(_) | Value::Flag(_) | Value::History(_)
        )
    };
    snapshot
        .iter()
        .filter(|(_, _, value)| !ends(value))
        .map(|(model, label, value)| (format!("{model} {label}"), value.clone()))
        .collect()
}

fn folds(snapshot: &Snapshot) -> u64 {
    let retired: Vec<u64> = snapshot
        .files()
        .iter()
        .filter_map(|file| file.retired())
        .collect();
    assert!(retired.len() <= 1);
    retired.first().copied().unwrap_or(0)
}

#[test]
fn workers_that_come_and_go_keep_their_totals() {
    const NAME: &str = "folding::workers_that_come_and_go_keep_their_totals";
    if child::is_child(NAME) {
        return work();
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("All")).unwrap();
    let workers = many(300, 24);
    let mut reader = Reader::open(root.path()).unwrap();
    let (mut last, mut samples) = (0, 0u64);
    let mut sample = || {
        let now = total(&reader.snapshot().unwrap());
        assert!(
            now >= last && now.is_multiple_of(5),
            "{last} and then {now}"
        );
        last = now;
        samples += 1;
    };
    // Three at once: they fold into one file at the same time.
    for _ in 0..workers / 3 {
        let mut running = [(); 3].map(|()| child::start(&mut worker(NAME, root.path())));
        while running
            .iter_mut()
            .any(|worker| worker.0.try_wait().unwrap().is_none())
        {
            sample();
        }
        for worker in &mut running {
            assert!(worker.0.wait().unwrap().success());
        }
    }
    sample();
    let end = snapshot(root.path());
    assert_eq!(total(&end), 10 * workers);
    assert_eq!(files(root.path(), "All").len(), 1, "the retired file");
    assert_eq!(folds(&end), 2 * workers);
    let get = |label: &str| end.get("All", label).unwrap().clone();
    let time = get("time");
    assert_eq!(time.as_distribution().unwrap().count(), 2 * workers);
    assert_eq!(time.as_distribution().unwrap().bucket_count(), 2 * workers);
    assert_eq!(time.as_distribution().unwrap().max(), Some(3_000_000));
    assert_eq!(
        get("size").as_distribution().unwrap().bucket_count(),
        2 * workers
    );
    assert_eq!(get("a.n").as_u64(), Some(2 * workers));
    assert_eq!(get("text").as_str(), Some("worked"));
    assert_eq!(
        get("level").as_u64(),
        Some(0),
        "levels end with their process"
    );
    let line: Line = end.compound("All", "line").unwrap();
    assert_eq!(line.whole(), Some(4 * workers));
    println!("{workers} workers folded, {samples} samples");
}

#[test]
fn what_threads_count_while_their_process_exits_never_falls_back() {
    const NAME: &str = "folding::what_threads_count_while_their_process_exits_never_falls_back";
    if child::is_child(NAME) {
        for _ in 0..2 {
            std::thread::spawn(|| {
                loop {
                    All::local(|s| s.n.inc());
                }
            });
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("All")).unwrap();
    let mut reader = Reader::open(root.path()).unwrap();
    let (mut last, mut begin) = (0, 0);
    for _ in 0..many(100, 10) {
        let mut running = child::start(&mut worker(NAME, root.path()));
        let mut input = running.0.stdin.take();
        loop {
            let now = total(&reader.snapshot().unwrap());
            assert!(now >= last, "{last} and then {now}");
            last = now;
            if last > begin + 1000 {
                input = None;
            }
            if input.is_none() && running.0.try_wait().unwrap().is_some() {
                break;
            }
        }
        // Including what it counted after the last snapshot.
        let end = total(&reader.snapshot().unwrap());
        assert!(end >= last, "{last} and then {end}");
        (begin, last) = (end, end);
    }
    assert_eq!(files(root.path(), "All").len(), 1);
}

/// Leaves files of dead processes; returns how many.
fn leave_dead(name: &str, root: &Path, workers: usize) -> usize {
    for _ in 0..workers {
        let mut worker = child::command(name, root);
        worker.env("MMSTATS_DEAD", "all");
        child::run(worker.env("MMSTATS_KEEP", "1").env("RUST_BACKTRACE", "0"));
    }
    files(root, "All").len()
}

#[test]
fn folding_changes_no_total() {
    const NAME: &str = "folding::folding_changes_no_total";
    if child::is_child(NAME) {
        return work();
    }
    let root = tempfile::tempdir().unwrap();
    let dead = leave_dead(NAME, root.path(), 7);
    assert_eq!(dead, 14);
    let before = totals(&snapshot(root.path()));
    let dry = Cleaner::new()
        .fold(true)
        .dry_run(true)
        .clean(root.path())
        .unwrap();
    assert_eq!(
        (dry.files().len(), files(root.path(), "All").len()),
        (dead, dead)
    );
    // One by one, a model, and everything: the result is the same.
    let first = &files(root.path(), "All")[0];
    let one = Cleaner::new().fold(true).clean(first).unwrap();
    assert_eq!(one.files(), [(first.clone(), Outcome::Folded)]);
    assert_eq!(totals(&snapshot(root.path())), before);
    let rest = Cleaner::new()
        .fold(true)
        .clean(root.path().join("All"))
        .unwrap();
    assert_eq!((rest.files().len(), rest.problems().len()), (dead - 1, 0));
    let after = snapshot(root.path());
    assert_eq!(totals(&after), before);
    assert_eq!(
        files(root.path(), "All"),
        [root.path().join("All/mmstats-retired")]
    );
    assert_eq!(after.model("All").unwrap().processes(), 0);
    let errors = after
        .get("All", "errors")
        .and_then(Value::as_errors)
        .unwrap();
    assert_eq!((errors.all(), errors.overflow()), (4 * 7, 0));
    assert_eq!(
        after.get("All", "errors__EXC:fmt::Error").unwrap().as_u64(),
        Some(2 * 7)
    );
    assert_eq!(after.files()[0].state(), State::Dead);
    // A living process counts beside it.
    let live = All::builder().path(root.path()).create().unwrap();
    live.n.add(7);
    assert_eq!(total(&snapshot(root.path())), 7 * 10 + 7);
    let none = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert!(
        none.files().is_empty() && none.problems().is_empty(),
        "it lives: {none:?}"
    );
}

#[test]
fn whoever_folds_is_killed_and_nothing_is_lost_or_doubled() {
    const NAME: &str = "folding::whoever_folds_is_killed_and_nothing_is_lost_or_doubled";
    if child::is_child(NAME) {
        if std::env::var_os("MMSTATS_KEEP").is_some() {
            return work();
        }
        println!("go");
        std::io::stdout().flush().unwrap();
        // One at a time, so that there are many moments at which it can be killed.
        for file in files(&root(), "All") {
            let _ = Cleaner::new().fold(true).clean(file);
        }
        return;
    }
    let (rounds, mut killed, mut random) = (many(200, 10), 0, 0x9e37_79b9_7f4a_7c15u64);
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path(), 8);
    let (before, copies) = (totals(&snapshot(root.path())), tempfile::tempdir().unwrap());
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir(to.join("All")).unwrap();
        for file in files(from, "All") {
            let to = to.join(file.strip_prefix(from).unwrap());
            std::fs::copy(file, to).unwrap();
        }
    };
    copy(root.path(), copies.path());
    let mut unfinished = 0;
    for _ in 0..rounds {
        std::fs::remove_dir_all(root.path().join("All")).unwrap();
        copy(copies.path(), root.path());
        let mut folder = child::start(&mut child::command(NAME, root.path()));
        let mut line = String::new();
        let mut output = BufReader::new(folder.0.stdout.take().unwrap());
        while !line.contains("go") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0);
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for _ in 0..random >> 32 & 0xfffff {
            std::hint::spin_loop();
        }
        folder.0.kill().unwrap();
        killed += u64::from(folder.0.wait().unwrap().signal() == Some(libc::SIGKILL));
        let at_rest = snapshot(root.path());
        assert_eq!(
            totals(&at_rest),
            before,
            "after {} were folded",
            folds(&at_rest)
        );
        unfinished += u64::from((1..16).contains(&folds(&at_rest)));
        // The next run finishes it, whatever was left.
        let rest = Cleaner::new().fold(true).clean(root.path()).unwrap();
        assert!(rest.problems().is_empty(), "{:?}", rest.problems());
        let end = snapshot(root.path());
        assert_eq!((totals(&end), folds(&end)), (before.clone(), 16));
        assert_eq!(
            files(root.path(), "All").len(),
            1,
            "and nothing in the making"
        );
    }
    println!("{rounds} rounds, {killed} killed, {unfinished} of them in the middle");
}

#[test]
fn a_file_that_was_folded_and_is_still_there_is_not_counted_twice() {
    const NAME: &str = "folding::a_file_that_was_folded_and_is_still_there_is_not_counted_twice";
    if child::is_child(NAME) {
        return work();
    }
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path(), 2);
    let before = totals(&snapshot(root.path()));
    let first = files(root.path(), "All")[0].clone();
    let bytes = std::fs::read(&first).unwrap();
    let mut reader = Reader::open(root.path()).unwrap();
    reader.snapshot().unwrap();
    Cleaner::new().fold(true).clean(&first).unwrap();
    // As if the process that folded it had been killed before it removed the file.
    std::fs::write(&first, &bytes).unwrap();
    assert_eq!(totals(&snapshot(root.path())), before);
    assert_eq!(
        totals(&reader.snapshot().unwrap()),
        before,
        "with what it knew before"
    );
    // Read by itself, the file still has its values.
    assert_eq!(snapshot(&first).get("All", "n").unwrap().as_u64(), Some(5));
    let rest = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert!(rest.problems().is_empty(), "{:?}", rest.problems());
    assert_eq!(totals(&reader.snapshot().unwrap()), before);
    assert_eq!(files(root.path(), "All").len(), 1);
}

#[test]
fn what_is_not_understood_stays() {
    const NAME: &str = "folding::what_is_not_understood_stays";
    if child::is_child(NAME) {
        return work();
    }
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path(), 1);
    let mine = files(root.path(), "All");
    // A record of a later version, after the others.
    let mut bytes = std::fs::read(&mine[0]).unwrap();
    let committed = u64::from_le_bytes(bytes[32..40].try_into().unwrap()) as usize;
    bytes.truncate(committed);
    bytes.extend([8, 0, 0, 0, 99, 0, 0, 0]);
    bytes[32..40].copy_from_slice(&(committed as u64 + 8).to_le_bytes());
    std::fs::write(&mine[0], &bytes).unwrap();
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(cleaned.files(), [(mine[1].clone(), Outcome::Folded)]);
    let [problem] = cleaned.problems() else {
        panic!("{cleaned:?}");
    };
    assert!(problem.error().contains("newer mmstats"), "{problem:?}");
    assert_eq!(total(&snapshot(root.path())), 10);
    // A damaged retired file is not touched either.
    let retired = root.path().join("All/mmstats-retired");
    std::fs::write(&retired, b"\x03mmstats and nothing more").unwrap();
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert!(
        cleaned.files().is_empty() && cleaned.problems().len() == 1,
        "{cleaned:?}"
    );
    assert_eq!(std::fs::read(&retired).unwrap().len(), 25);
    let after = snapshot(root.path());
    assert!(after.errors()[0].path().ends_with("mmstats-retired"));
    assert_eq!(
        after.get("All", "n").unwrap().as_u64(),
        Some(5),
        "the others are read"
    );
}

#[test]
fn a_service_stopped_by_a_signal_is_cleaned_by_the_next() {
    const NAME: &str = "folding::a_service_stopped_by_a_signal_is_cleaned_by_the_next";
    if child::is_child(NAME) {
        work();
        let _other = super::Part::create().unwrap();
        println!("ready");
        std::io::stdout().flush().unwrap();
        loop {
            std::thread::park();
        }
    }
    for fold in [true, false] {
        let root = tempfile::tempdir().unwrap();
        for round in 0..4u64 {
            let mut command = child::command(NAME, root.path());
            command
                .env("MMSTATS_CLEAN", "1")
                .env("MMSTATS_FOLD", if fold { "1" } else { "0" });
            let mut service = child::start(&mut command);
            let mut output = BufReader::new(service.0.stdout.take().unwrap());
            let mut line = String::new();
            while !line.contains("ready") {
                line.clear();
                assert!(output.read_line(&mut line).unwrap() > 0);
            }
            // Two threads of this service, and what is left of the previous ones.
            let here = files(root.path(), "All").len();
            assert_eq!(here, if fold && round > 0 { 3 } else { 2 }, "{round}");
            let expected = if fold { 10 * (round + 1) } else { 10 };
            assert_eq!(total(&snapshot(root.path())), expected);
            // SAFETY: our child.
            unsafe { libc::kill(service.0.id() as i32, libc::SIGTERM) };
            assert_eq!(service.0.wait().unwrap().signal(), Some(libc::SIGTERM));
        }
    }
}

#[test]
fn nobody_else_s_files_are_touched_unasked() {
    const NAME: &str = "folding::nobody_else_s_files_are_touched_unasked";
    if child::is_child(NAME) {
        return work();
    }
    let root = tempfile::tempdir().unwrap();
    let dead = leave_dead(NAME, root.path(), 2);
    let alien = root.path().join("All/mmstats-v1");
    std::fs::write(&alien, b"\x01 an older format").unwrap();
    child::run(&mut child::command(NAME, root.path()));
    assert_eq!(files(root.path(), "All").len(), dead + 1);
    let old = Cleaner::new().older_than(Duration::from_secs(3600));
    assert!(
        old.clean(root.path()).unwrap().files().is_empty(),
        "they are young"
    );
    let cleaned = Cleaner::new().clean(root.path()).unwrap();
    assert_eq!(cleaned.files().len(), dead);
    assert!(
        cleaned
            .files()
            .iter()
            .all(|(_, outcome)| *outcome == Outcome::Removed)
    );
    assert_eq!(files(root.path(), "All"), [alien]);
}

#[test]
fn without_space_nothing_changes() {
    const NAME: &str = "folding::without_space_nothing_changes";
    if child::is_child(NAME) {
        return work();
    }
    let Some(root) = SmallDisk::mount("1m") else {
        return;
    };
    leave_dead(NAME, root.path(), 2);
    let before = totals(&snapshot(root.path()));
    // Until nothing more fits.
    let full = root.path().join("full");
    let mut file = std::fs::File::create(&full).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert!(
        cleaned.files().is_empty() && cleaned.problems().len() == 1,
        "{cleaned:?}"
    );
    assert_eq!(totals(&snapshot(root.path())), before);
    assert_eq!(
        files(root.path(), "All").len(),
        4,
        "nothing in the making is left"
    );
    // Also emptied: a child that another test is just forking may have it open until it execs.
    file.set_len(0).unwrap();
    std::fs::remove_file(&full).unwrap();
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(
        (cleaned.files().len(), cleaned.problems().len()),
        (4, 0),
        "{cleaned:?}"
    );
    assert_eq!(totals(&snapshot(root.path())), before);
}

#[test]
fn an_owned_file_is_folded_when_it_is_dropped_and_has_its_permissions() {
    const NAME: &str =
        "folding::an_owned_file_is_folded_when_it_is_dropped_and_has_its_permissions";
    if child::is_child(NAME) {
        for _ in 0..3 {
            let all = All::builder().mode(0o640).create().unwrap();
            all.n.add(4);
            drop(all);
            assert_eq!(total(&snapshot(root())) % 4, 0);
        }
        let kept = All::builder().keep(true).create().unwrap();
        kept.n.add(1);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut worker(NAME, root.path()));
    let end = snapshot(root.path());
    assert_eq!((total(&end), folds(&end), end.files().len()), (13, 3, 2));
    let retired = root.path().join("All/mmstats-retired");
    assert_eq!(
        retired.metadata().unwrap().permissions().mode() & 0o777,
        0o640
    );
}
