//! `mmstats top` in a real pseudo-terminal: what the screen shows, what keys do, and how it ends.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc;

use mmstats::{Counter, Errors, Groups, History, MmStats, Summary};
use portable_pty::{Child, CommandBuilder, MasterPty, native_pty_system};
use tempfile::TempDir;

use super::screen::{PATIENCE, Screen, size};
use super::{BIN, child, db, first, mmstats, text_of};

#[test]
fn the_screen_follows_values_and_keys() {
    let root = TempDir::new().unwrap();
    let stats = first(root.path());
    let _other = db(root.path());
    let mut screen = Screen::start(44, 100, "C.UTF-8", root.path());
    // The first model is Db; its only label is shown.
    screen.until_shows("queries");
    screen.press("j");
    let shown = screen.until_shows("index.response_time");
    assert!(
        shown.contains("my-app (1)") && shown.contains("┌models"),
        "{shown}"
    );
    stats.requests.add(1_234_560);
    screen.until_shows("1234567");
    // Down to the process and the thread.
    screen.press("\x1b[C");
    screen.until_shows(&format!("{}", std::process::id()));
    screen.press("j\x1b[C");
    let tid = stats.path().unwrap();
    let tid = tid.to_str().unwrap().rsplit('-').next().unwrap().to_owned();
    screen.until_shows(&format!("{tid} live"));
    screen.press("j");
    screen.until_shows("1234567");
    // Filters while the user types.
    screen.press("/body");
    screen.until("one label", |shown| {
        shown.contains("labels (1)") && shown.contains("body_size") && !shown.contains("in_flight")
    });
    screen.press("\x1b");
    screen.until("all labels again", |shown| shown.contains("in_flight"));
    screen.press(" ");
    screen.until_shows("FROZEN");
    screen.press(" ?");
    screen.until("the help", |shown| {
        shown.contains("any key goes back") && shown.contains("Ctrl-Z")
    });
    screen.press("x");
    screen.until("without help", |shown| !shown.contains("any key goes back"));
    // A file that is removed takes its line away, and does not end the program.
    drop(stats);
    screen.until("without my-app", |shown| !shown.contains("my-app"));
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn a_distribution_has_a_map_of_where_its_values_were() {
    let root = TempDir::new().unwrap();
    let stats = first(root.path());
    let mut screen = Screen::start(30, 120, "C.UTF-8", root.path());
    screen.until_shows("body_size");
    screen.press("/body_size\r");
    screen.until_shows("where its values were");
    // Until it falls in an interval, however long intervals are.
    let is_there = |shown: &str| shown.contains('█');
    screen.until_while("the map", is_there, || stats.body_size.record(70_000));
    screen.until_shows("64 KiB");
    screen.press("\x03");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn small_screens_and_plain_ascii_will_do() {
    let root = TempDir::new().unwrap();
    let _stats = first(root.path());
    let mut screen = Screen::start(15, 60, "C", root.path());
    let all = [
        "+models",
        "rate/s",
        "my-app",
        "body_size",
        "percentile, in bytes",
        "q: quit",
    ];
    let shown = screen.until("all parts", |shown| {
        all.iter().all(|text| shown.contains(text))
    });
    assert!(shown.is_ascii(), "{shown}");
    // Smaller, and then large again.
    screen.master.resize(size(10, 40)).unwrap();
    screen.parser.screen_mut().set_size(10, 40);
    screen.until_shows("top needs 60x15");
    screen.master.resize(size(40, 140)).unwrap();
    screen.parser.screen_mut().set_size(40, 140);
    screen.until_shows("last minutes");
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn processes_that_have_ended_are_shown_as_such() {
    let root = TempDir::new().unwrap();
    let stats = db(root.path());
    let path = stats.path().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // A file of a process that cannot exist: no lock is held with that token.
    bytes[104..112].copy_from_slice(&(1u64 << 60).to_le_bytes());
    bytes[56..60].copy_from_slice(&99_999_999u32.to_le_bytes());
    std::fs::write(path.with_file_name("mmstats-99999999-1"), bytes).unwrap();
    let mut screen = Screen::start(30, 120, "C.UTF-8", root.path());
    screen.until_shows("Db (2)");
    screen.press("\x1b[C");
    let shown = screen.until_shows("99999999 ");
    let line = |text: &str| {
        shown
            .lines()
            .find(|line| line.contains(text))
            .unwrap()
            .to_owned()
    };
    assert!(line("99999999 ").contains("dead"), "{shown}");
    assert!(!line("Db (2)").contains("dead"), "{shown}");
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    let mut screen = Screen::start(24, 80, "C.UTF-8", root.path());
    screen.until_shows("queries");
    let pid = screen.child.process_id().unwrap();
    let killed = std::process::Command::new("kill")
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(screen.ended(), 0);
}

/// Stops, returns the terminal to the shell, and continues where it was.
#[test]
fn ctrl_z_suspends() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    // A shell with job control: nothing else can continue a stopped job.
    let mut command = CommandBuilder::new("sh");
    let script = format!(
        "{BIN} top -d 0.1 {}; echo in the shell; read line; fg; echo done",
        root.path().display()
    );
    command.args(["-m", "-c", &script]);
    let mut screen = Screen::of(command, 24, 80, "C.UTF-8");
    screen.until_shows("queries");
    screen.press("\x1a");
    screen.until_shows("in the shell");
    assert!(!screen.parser.screen().alternate_screen());
    screen.press("\r");
    screen.until_shows("queries");
    assert!(screen.parser.screen().alternate_screen());
    screen.press("q");
    screen.until_shows("done");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let output = mmstats().arg("top").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text_of(&output.stderr).contains("mmstats poll"),
        "{output:?}"
    );
}

/// Starts `mmstats` in a terminal, and returns it after the first output. Nothing else reads the terminal.
fn start(command: CommandBuilder) -> (Box<dyn MasterPty + Send>, Box<dyn Child + Send + Sync>) {
    let pair = native_pty_system().openpty(size(24, 80)).unwrap();
    let child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    assert!(reader.read(&mut [0; 1]).unwrap() > 0);
    (pair.master, child)
}

/// Waits for the end of a process that must end by itself.
#[track_caller]
fn ends(what: &str, mut child: Box<dyn Child + Send + Sync>) -> u32 {
    let mut killer = child.clone_killer();
    let (send, ended) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait().unwrap().exit_code()));
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = killer.kill();
        panic!("{what} does not end");
    })
}

/// ssh breaks, or tmux is killed: from then on reading the terminal returns 0 bytes or EIO.
#[test]
fn what_runs_on_ends_when_its_terminal_goes() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    let path = root.path().display();
    for arguments in [
        format!("top {path}"),
        format!("top -d 60 {path}"),
        format!("demo --seconds 60 --path {path}/demo"),
    ] {
        // With SIGHUP, and with SIGHUP ignored.
        for before in ["", "trap '' HUP; "] {
            let mut command = CommandBuilder::new("sh");
            command.args(["-c", &format!("{before}exec {BIN} {arguments}")]);
            command.env("TERM", "xterm-256color");
            let (master, child) = start(command);
            drop(master);
            ends(&format!("{before}{arguments}"), child);
        }
    }
}

#[test]
fn a_signal_ends_top_even_while_it_waits_for_the_next_reading() {
    let root = TempDir::new().unwrap();
    let _stats = db(root.path());
    for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGINT] {
        let mut command = CommandBuilder::new(BIN);
        command.args(["top", "-d", "3600"]);
        command.arg(root.path());
        let (_master, child) = start(command);
        let pid = child.process_id().unwrap() as i32;
        // SAFETY: our child, which has not been waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        assert_eq!(ends(&format!("signal {signal}"), child), 0);
    }
}

/// `top` waits for a root that is empty or does not exist, and reports when all processes have ended.
#[test]
fn top_waits_for_files_and_says_when_all_processes_ended() {
    const NAME: &str = "top::top_waits_for_files_and_says_when_all_processes_ended";
    if child::is_child(NAME) {
        let stats = db(Path::new(&std::env::var_os("MMSTATS_PATH").unwrap()));
        stats.queries.add(5);
        // Until it is killed.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let root = TempDir::new().unwrap();
    let path = root.path().join("later");
    let mut screen = Screen::start(24, 140, "C.UTF-8", &path);
    screen.until_shows("waiting for stats files in");
    let mut child = child::command(NAME, &path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    screen.until_shows("queries");
    screen.until_shows(&format!("process {pid} started"));
    // Down to the thread: its name, and the resources that the process uses.
    screen.press("\x1b[Cj\x1b[Cj");
    screen.until_shows(&format!("{pid}: CPU"));
    screen.until(" the thread's name", |shown| {
        shown
            .lines()
            .any(|line| line.contains(" live ") && line.contains("top::top"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    screen.until_shows(&format!("process {pid} vanished"));
    screen.until_shows("all processes have ended");
    let red = |screen: &Screen| {
        let cells = (0..24).flat_map(|row| (0..140).map(move |column| (row, column)));
        let mut cells = cells.filter_map(|(row, column)| screen.parser.screen().cell(row, column));
        cells.any(|cell| cell.fgcolor() == vt100::Color::Idx(1))
    };
    assert!(red(&screen), "what is dead is red");
    screen.press("q");
    assert_eq!(screen.ended(), 0);

    let mut command = CommandBuilder::new(BIN);
    command.args(["top", "-d", "0.1"]);
    command.arg(&path);
    command.env("NO_COLOR", "1");
    let mut screen = Screen::of(command, 24, 140, "C.UTF-8");
    screen.until_shows("Db (1) dead");
    assert!(!red(&screen), "NO_COLOR is honoured");
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}

#[derive(MmStats)]
struct Jobs {
    failed: Errors,
    sizes: History,
    weight: Summary,
}

/// A summary is one row; Enter shows a series by thread, with its values, contexts and errors.
#[test]
fn a_series_opens_with_its_threads_contexts_and_errors() {
    let root = TempDir::new().unwrap();
    let jobs = Jobs::builder().path(root.path()).create().unwrap();
    let _other = Jobs::builder().path(root.path()).create().unwrap();
    jobs.failed.record(&"x".parse::<i32>().unwrap_err());
    jobs.sizes.push_with(4.25, "file:large.csv");
    jobs.weight.record(2.5);
    let mut screen = Screen::start(40, 140, "C.UTF-8", root.path());
    let shown = screen.until_shows("weight");
    assert!(
        !shown.contains("weight.Count") && shown.contains("labels (3)"),
        "{shown}"
    );
    screen.press("/failed\r\r");
    screen.until("the error with its message, and both threads", |shown| {
        shown.contains("invalid digit found in string")
            && shown.matches(" live ").count() == 2
            && shown.contains("thread")
    });
    // Back, and on to the next series.
    screen.press("\x1b[D");
    screen.until_shows("labels (1)");
    screen.press("\x1b/sizes\r\r");
    screen.until("the value with its context", |shown| {
        shown.contains("4.25") && shown.contains("file:large.csv")
    });
    screen.press("\x1b");
    screen.until_shows("labels (1)");
    screen.press("\x1b/weight\r");
    // The mean of an interval, however long intervals are.
    let is_there = |shown: &str| shown.contains("2.5 ");
    screen.until_while("the mean", is_there, || jobs.weight.record(2.5));
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}

#[derive(MmStats)]
#[mmstats(name = "noted")]
struct Noted {
    parts: Groups<NotedPart>,
}

#[derive(MmStats)]
struct NotedPart {
    n: Counter,
}

#[test]
fn what_files_note_of_themselves_is_shown() {
    let root = TempDir::new().unwrap();
    let stats = Noted::builder().path(root.path());
    let stats = stats.max_groups(1).create().unwrap();
    stats.parts.group("a").n.inc();
    let mut screen = Screen::start(30, 200, "C.UTF-8", root.path());
    screen.until_shows("a.n");
    stats.parts.group("b").n.inc();
    let shown = screen.until_shows("`mmstats check`");
    assert!(shown.contains("count under \"_other\""), "{shown}");
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}
