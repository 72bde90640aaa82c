//! A writer that is killed at any moment: its last values are there, whole.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mmstats::reader::{Model, Per, Reader, State};
use mmstats::{MmStats, Value};

use super::{All, Line, child, many};

const THREADS: u64 = 3;
/// The number of publications after which a new group is created.
const EVERY: u64 = 64;

/// Publishes `n` in every way.
fn publish(s: &All, n: u64) {
    s.n.inc();
    s.level.set(n);
    s.line.set(Line::of(n));
    s.time.record(Duration::from_nanos(n));
    s.size.record(5);
    s.text.set(&format!("{n}-{n:030}"));
    if n.is_multiple_of(EVERY) {
        let part = s.parts.group(&format!("g{n}"));
        part.n.set(n);
        part.line.set(Line::of(n));
        part.time.record(Duration::from_micros(n));
    }
}

/// Writes what a thread reports after publishing `n`: it fits into a pipe as a whole, so threads do not mix.
fn acknowledge(n: u64) {
    // SAFETY: gettid cannot fail.
    let thread = unsafe { libc::gettid() } as u64;
    let message = [thread.to_ne_bytes(), n.to_ne_bytes()].concat();
    // SAFETY: the bytes are ours; descriptor 2 is the pipe.
    unsafe { libc::write(2, message.as_ptr().cast(), message.len()) };
}

#[test]
fn a_writer_killed_at_a_random_instant() {
    const NAME: &str = "kill::a_writer_killed_at_a_random_instant";
    if child::is_child(NAME) {
        let work = || {
            for n in 1.. {
                All::local(|s| publish(s, n));
                if n % 8 == 0 {
                    acknowledge(n);
                }
            }
        };
        let threads = [(); THREADS as usize].map(|()| std::thread::spawn(work));
        for thread in threads {
            thread.join().unwrap();
        }
    }
    let rounds = many(500, 12);
    let (mut behind, mut apart, mut random) = (0, 0, 0x9e37_79b9_7f4a_7c15u64);
    for round in 0..rounds {
        let root = tempfile::tempdir().unwrap();
        let mut writer = child::start(child::command(NAME, root.path()).stderr(Stdio::piped()));
        let mut pipe = writer.0.stderr.take().unwrap();
        // A random moment: after a number of acknowledgements, and a little later.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut acknowledged = HashMap::new();
        let mut read = |wanted: u64| {
            let mut message = [0; 16];
            for _ in 0..wanted {
                if pipe.read_exact(&mut message).is_err() {
                    return;
                }
                let [thread, n] =
                    [0, 8].map(|at| u64::from_ne_bytes(message[at..at + 8].try_into().unwrap()));
                acknowledged.insert(thread as u32, n);
            }
        };
        read(random % 400);
        for _ in 0..random >> 32 & 0xffff {
            std::hint::spin_loop();
        }
        writer.0.kill().unwrap();
        assert_eq!(writer.0.wait().unwrap().signal(), Some(libc::SIGKILL));
        read(u64::MAX);
        let Some(counts) = check(root.path(), &acknowledged) else {
            continue;
        };
        behind += counts.0;
        apart += counts.1;
        assert!(round < rounds);
    }
    println!(
        "{rounds} rounds; {behind} files killed between two of their values, {apart} between a \
         bucket and its count"
    );
}

/// Reads what a killed writer left. Returns how many files were in the middle of an update.
fn check(root: &Path, acknowledged: &HashMap<u32, u64>) -> Option<(u64, u64)> {
    let mut reader = Reader::open(root).unwrap();
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    assert!(snapshot.is_whole(), "nobody writes any more");
    for thread in acknowledged.keys() {
        let of_thread = snapshot.files().iter().filter(|file| file.tid() == *thread);
        assert_eq!(of_thread.count(), 1);
    }
    let (mut behind, mut apart) = (0, 0);
    for own in snapshot.models() {
        let file = own.file().unwrap();
        assert_eq!(file.state(), State::Dead);
        let least = acknowledged.get(&file.tid()).copied().unwrap_or(0);
        let n = number(own, "n");
        assert!(n >= least, "{n} counted, {least} acknowledged");
        let line = line(own, "line");
        let text = own.get("text").unwrap().as_str().unwrap();
        let text = match text.split_once('-') {
            Some((short, long)) if short.parse::<u64>() == long.parse() => short.parse().unwrap(),
            _ => {
                assert_eq!(text, "", "torn");
                0
            }
        };
        let [time, size] = ["time", "size"].map(|label| {
            let found = own.get(label).unwrap().as_distribution().unwrap();
            let difference = found.bucket_count().abs_diff(found.count());
            assert!(difference <= 1, "{label}: {difference} apart");
            apart += difference;
            found
        });
        assert_eq!(
            time.total(),
            u128::from(time.count()) * (u128::from(time.count()) + 1) / 2
        );
        assert_eq!(size.total(), 5 * u128::from(size.count()));
        // In the order of writing: each has this publication or the one before.
        let order = [
            n,
            number(own, "level"),
            line,
            time.count(),
            size.count(),
            text,
        ];
        assert!(order.iter().all(|value| n - value <= 1), "{order:?}");
        assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
        behind += u64::from(order[5] != n);
        assert!(text >= least);
        for group in (EVERY..=least).step_by(EVERY as usize) {
            assert_eq!(number(own, &format!("g{group}.n")), group);
            assert_eq!(self::line(own, &format!("g{group}.line")), group);
            let time = own.get(&format!("g{group}.time")).unwrap();
            assert_eq!(time.as_distribution().unwrap().count(), 1);
        }
    }
    Some((behind, apart))
}

fn number(own: &Model, label: &str) -> u64 {
    own.get(label).and_then(Value::as_u64).unwrap()
}

fn line(own: &Model, label: &str) -> u64 {
    let value = own.get(label).unwrap().as_compound().unwrap();
    let (_, _, words) = value.fields().next().unwrap();
    Line {
        words: std::array::from_fn(|i| words[i].as_u64().unwrap()),
    }
    .whole()
    .expect("torn")
}

/// Groups that exist at once, in a writer that removes them and reuses their space.
const AT_ONCE: u64 = 4;

#[test]
fn a_writer_killed_while_it_uses_the_space_of_a_group_again() {
    const NAME: &str = "kill::a_writer_killed_while_it_uses_the_space_of_a_group_again";
    if child::is_child(NAME) {
        for n in 0.. {
            All::local(|s| {
                // The name has its final length from the start: every space has room for it.
                let part = s.parts.group(&format!("g{n:016}"));
                part.n.set(n);
                part.line.set(Line::of(n));
                // A different octave for each group: it stays with the space, and later has another group's counts.
                part.time.record(Duration::from_nanos(1 << (n % 40)));
                if let Some(gone) = n.checked_sub(AT_ONCE) {
                    assert!(s.parts.remove(&format!("g{gone:016}")));
                }
            });
            acknowledge(n);
        }
    }
    let (mut apart, mut random) = (0, 0x9e37_79b9_7f4a_7c15u64);
    let rounds = many(500, 12);
    for _ in 0..rounds {
        let root = tempfile::tempdir().unwrap();
        let mut writer = child::start(child::command(NAME, root.path()).stderr(Stdio::piped()));
        let mut pipe = writer.0.stderr.take().unwrap();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut acknowledged = || {
            let mut message = [0; 16];
            pipe.read_exact(&mut message).ok()?;
            Some(u64::from_ne_bytes(message[8..].try_into().unwrap()))
        };
        let mut last = 0;
        for _ in 0..100 + random % 1000 {
            last = acknowledged().unwrap();
        }
        for _ in 0..random >> 32 & 0xfff {
            std::hint::spin_loop();
        }
        writer.0.kill().unwrap();
        assert_eq!(writer.0.wait().unwrap().signal(), Some(libc::SIGKILL));
        while let Some(n) = acknowledged() {
            last = n;
        }
        let snapshot = super::snapshot(root.path());
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert!(snapshot.is_whole(), "nobody writes any more");
        let all = snapshot.model("All").unwrap();
        let groups: Vec<u64> = (all.series().iter())
            .filter(|series| series.metric() == "n")
            .filter_map(|series| series.group()?.strip_prefix('g')?.parse().ok())
            .collect();
        // One group may have been created, and another not yet removed.
        let expected = (last + 1).saturating_sub(AT_ONCE)..=last + 1;
        assert!(
            (AT_ONCE..=AT_ONCE + 1).contains(&(groups.len() as u64)),
            "{groups:?}"
        );
        for n in groups {
            assert!(expected.contains(&n), "{n} of {expected:?}");
            let value = |metric: &str| format!("g{n:016}.{metric}");
            let time = all.get(&value("time")).unwrap();
            let time = time.as_distribution().unwrap();
            let own = [number(all, &value("n")), line(all, &value("line"))];
            if n < last {
                assert_eq!(own, [n, n]);
                assert_eq!(time.total(), 1 << (n % 40));
            } else {
                assert!(own.iter().all(|found| [0, n].contains(found)), "{own:?}");
                assert!([0, 1 << (n % 40)].contains(&time.total()), "{time:?}");
            }
            let difference = time.bucket_count().abs_diff(time.count());
            assert!(difference <= 1, "{difference} apart");
            apart += difference;
        }
        let bytes = snapshot.files()[0].bytes();
        assert!(bytes < 1 << 20, "{bytes} bytes for {AT_ONCE} groups");
    }
    println!("{rounds} rounds; {apart} killed between a bucket and its count");
}

#[test]
fn a_crash_in_the_middle_of_an_update() {
    const NAME: &str = "kill::a_crash_in_the_middle_of_an_update";
    if child::is_child(NAME) {
        let how = std::env::var("MMSTATS_TEST_HOW").unwrap();
        let work = move || {
            All::local(|s| {
                publish(s, 41);
                s.line.update(|line| {
                    line.words = [7; 8];
                    match &*how {
                        // SAFETY: none: this crash is what the test is about.
                        "segv" => unsafe { std::ptr::null_mut::<u64>().write_volatile(1) },
                        "abort" => std::process::abort(),
                        _ => panic!("in the middle of an update"),
                    }
                    line.words = [8; 8];
                });
            });
        };
        std::thread::spawn(work).join().unwrap_err();
        // The thread has ended. The next one continues with its file.
        std::thread::spawn(|| All::local(|s| s.n.add(1)))
            .join()
            .unwrap();
        // SAFETY: nothing runs at this exit, so that the file stays.
        unsafe { libc::_exit(9) };
    }
    for (how, signal, n) in [
        ("segv", Some(libc::SIGSEGV), 1),
        ("abort", Some(libc::SIGABRT), 1),
        ("panic", None, 2),
    ] {
        let root = tempfile::tempdir().unwrap();
        let output = child::command(NAME, root.path())
            .env("MMSTATS_TEST_HOW", how)
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), signal, "{output:?}");
        let snapshot = super::snapshot(root.path());
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert_eq!(snapshot.files().len(), 1);
        assert_eq!(snapshot.files()[0].state(), State::Dead);
        let line: Line = snapshot.compound("All", "line").unwrap();
        assert_eq!(line.whole(), Some(41), "{how}");
        assert_eq!(snapshot.get("All", "n").unwrap().as_u64(), Some(n));
        assert_eq!(
            snapshot
                .get("All", "time")
                .unwrap()
                .as_distribution()
                .unwrap()
                .count(),
            1
        );
    }
}
