//! Processes that end, pushers that end, and two pushers at once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use mmstats::MmStats;
use tempfile::TempDir;

use super::Web;
use super::checks::{attributes, number, points};
use super::pusher::{Pusher, once};
use super::receiver::{Receiver, Request, reply};

const ROOT: &str = "MMSTATS_TEST_PUSH_ROOT";

/// In a process of its own: adds what it is told to, until it is killed or told to end. For `new` it creates a second
/// file and adds to that from then on, and for `drop` it drops the first one.
#[test]
fn writer() {
    let Some(root) = std::env::var_os(ROOT) else {
        return;
    };
    let new = || Web::builder().path(&root).create().unwrap();
    let mut files = vec![new()];
    println!("ready");
    for line in std::io::stdin().lines() {
        match &*line.unwrap() {
            "new" => files.push(new()),
            "drop" => drop(files.remove(0)),
            count => files.last().unwrap().requests.add(count.parse().unwrap()),
        }
        println!("ready");
    }
}

/// A process that writes.
pub struct Writer {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Writer {
    pub fn start(root: &Path, environment: &[(&str, &str)]) -> Writer {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::writer", "--nocapture"])
            .env(ROOT, root)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut writer = Writer {
            process,
            stdin,
            stdout,
        };
        writer.wait();
        writer
    }

    fn wait(&mut self) {
        let mut line = String::new();
        while !line.ends_with("ready\n") {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0);
        }
    }

    pub fn add(&mut self, count: u64) {
        self.tell(&count.to_string());
    }

    fn tell(&mut self, what: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{what}").unwrap();
        self.wait();
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it.
    fn end(mut self) {
        drop(self.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    pub fn kill(self) {}
}

impl Drop for Writer {
    fn drop(&mut self) {
        // By its id; it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_killed_process_is_pushed_once_more_with_its_last_totals() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    // Beside a file that stays.
    let _web = Web::builder().path(root.path()).create().unwrap();
    let mut writer = Writer::start(root.path(), &[]);
    let pid = writer.pid();
    writer.add(5);
    let pusher = Pusher::start(root.path(), &receiver.base());
    receiver.until(|request| request.value(pid, "my-app.requests") == Some(5.0));
    writer.add(2);
    writer.kill();
    receiver.until(|request| request.value(pid, "my-app.requests") == Some(7.0));
    // At most one more request, with the same value: the process may have been alive at the first.
    let mut more = 0;
    loop {
        let request = receiver.next();
        match request.value(pid, "my-app.requests") {
            Some(value) => assert_eq!(value, 7.0),
            None => break,
        }
        more += 1;
        assert!(more <= 1);
    }
    pusher.kill();
    // Another pusher does not know that, so it sends the same once more.
    assert!(once(root.path(), &receiver.base()).0);
    receiver.until(|request| request.value(pid, "my-app.requests") == Some(7.0));
}

#[test]
fn a_process_that_ends_while_the_receiver_is_away_is_not_lost() {
    let root = TempDir::new().unwrap();
    let busy = || reply("503 Busy", "Retry-After: 1\r\n", b"");
    let receiver = Receiver::start([busy()]);
    // Beside a file that stays.
    let _web = Web::builder().path(root.path()).create().unwrap();
    let mut writer = Writer::start(root.path(), &[]);
    let pid = writer.pid();
    writer.add(5);
    let _pusher = Pusher::start(root.path(), &receiver.base());
    let first = receiver.next();
    assert_eq!(first.value(pid, "my-app.requests"), Some(5.0));
    // It removes its files.
    writer.end();
    let second = receiver.next();
    assert_eq!(second.value(pid, "my-app.requests"), Some(5.0));
    assert_eq!(
        receiver
            .until(|request| request.process(pid).is_none())
            .path,
        "/v1/metrics"
    );
}

#[test]
fn folded_totals_are_a_resource_without_a_process() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    for count in [5, 6] {
        let mut writer = Writer::start(root.path(), &[("MMSTATS_FOLD", "1")]);
        writer.add(count);
        writer.end();
    }
    assert!(once(root.path(), &receiver.base()).0);
    let request = receiver.next();
    let retired = request.resource("mmstats.retired", "true").unwrap();
    let own = attributes(retired);
    assert!(!own.contains_key("process.pid"), "{own:?}");
    assert_eq!(own["service.name"], "unknown_service");
    let (points, is_monotonic) = points(retired, "my-app.requests").unwrap();
    assert_eq!((number(&points[0]), is_monotonic), (11.0, Some(true)));
}

#[test]
fn totals_of_a_process_do_not_fall_when_a_file_of_it_goes() {
    for fold in ["0", "1"] {
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([]);
        let mut writer = Writer::start(root.path(), &[("MMSTATS_FOLD", fold)]);
        let pid = writer.pid();
        writer.add(5);
        let pusher = Pusher::start(root.path(), &receiver.base());
        let requests = |request: &Request| request.value(pid, "my-app.requests");
        let since = |request: &Request| {
            let (points, _) = points(request.process(pid).unwrap(), "my-app.requests").unwrap();
            points[0].start_time_unix_nano
        };
        // Adds what was folded, which belongs to no process that is pushed.
        let all = |request: &Request| {
            let retired = request.resource("mmstats.retired", "true");
            let retired = retired.and_then(|retired| points(retired, "my-app.requests"));
            requests(request).unwrap_or(0.0) + retired.map_or(0.0, |(points, _)| number(&points[0]))
        };
        let first = since(&receiver.until(|request| requests(request) == Some(5.0)));
        writer.tell("new");
        writer.add(1);
        receiver.until(|request| requests(request) == Some(6.0));
        writer.tell("drop");
        writer.add(3);
        loop {
            let request = receiver.next();
            let value = requests(&request).unwrap();
            assert!([6.0, 9.0].contains(&value), "{value}");
            assert_eq!((all(&request), since(&request)), (value, first));
            if value == 9.0 {
                break;
            }
        }
        // Another pusher knows nothing of the first file: its total is smaller and starts later, unless the file was
        // folded.
        pusher.kill();
        assert!(once(root.path(), &receiver.base()).0);
        let last = std::iter::from_fn(|| receiver.try_next()).last().unwrap();
        assert_eq!(requests(&last), Some(4.0));
        assert!(since(&last) > first);
        assert_eq!(all(&last), if fold == "1" { 9.0 } else { 4.0 });
        writer.end();
    }
}

/// Folds what killed processes have left.
fn fold(root: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_mmstats"))
        .args(["clean", "--fold"])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn whatever_is_killed_totals_are_neither_doubled_nor_lost() {
    let rounds = match std::env::var("MMSTATS_LIFECYCLE") {
        Ok(length) if length == "full" => 200,
        _ => 20,
    };
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let mut writers: Vec<_> = (0..3).map(|_| Writer::start(root.path(), &[])).collect();
    let mut written = 0;
    // The last value of each process, as a receiver keeps it: it never decreases.
    let mut seen: HashMap<String, f64> = HashMap::new();
    let mut take = |request: &Request| {
        let mut all = 0.0;
        for resource in &request.message.resource_metrics {
            let (points, _) = points(resource, "my-app.requests").unwrap();
            let value = number(&points[0]);
            all += value;
            let id = attributes(resource).remove("service.instance.id").unwrap();
            let before = seen.insert(id, value).unwrap_or(0.0);
            assert!(before <= value, "{before} {value}: {resource:?}");
        }
        all
    };
    for round in 0..rounds {
        let pusher = Pusher::start(root.path(), &receiver.base());
        for (count, writer) in (round..).zip(&mut writers) {
            writer.add(count);
            written += count;
        }
        take(&receiver.next());
        if round % 4 == 2 {
            writers.remove(0).kill();
            writers.push(Writer::start(root.path(), &[]));
        }
        if round % 4 == 3 {
            fold(root.path());
        }
        pusher.kill();
        while let Some(request) = receiver.try_next() {
            take(&request);
        }
    }
    assert!(once(root.path(), &receiver.base()).0);
    // The processes that live, those that were killed, and the totals of those that were folded.
    assert_eq!(take(&receiver.next()), written as f64);
    // Each of the three writers was followed by others, and the totals are one more.
    assert!(seen.len() > 3 + 1, "{seen:?}");
}

#[test]
fn the_end_pushes_a_last_time() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let mut writer = Writer::start(root.path(), &[]);
    let mut command = super::pusher::command(root.path(), &receiver.base(), &["--interval", "1h"]);
    let pusher = Pusher::of(&mut command);
    receiver.next();
    writer.add(8);
    let (status, said, time) = pusher.terminate();
    assert!(status.success(), "{said}");
    assert!(time < Duration::from_secs(5), "{time:?}");
    let last = receiver.next();
    assert_eq!(last.value(writer.pid(), "my-app.requests"), Some(8.0));
    writer.end();
}

#[test]
fn two_pushers_on_one_root_are_refused() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = Web::builder().path(root.path()).create().unwrap();
    let pusher = Pusher::start(root.path(), &receiver.base());
    receiver.next();
    let (success, said) = once(root.path(), &receiver.base());
    assert!(!success);
    let wanted = [&*root.path().to_string_lossy(), "another process", ".push-"];
    assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    // Another destination is independent.
    let other = Receiver::start([]);
    assert_eq!(once(root.path(), &other.base()), (true, String::new()));
    // A killed pusher does not block others.
    pusher.kill();
    assert_eq!(once(root.path(), &receiver.base()), (true, String::new()));
}
