//! A receiver that is away for an hour.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use mmstats::MmStats;
use mmstats::push::otlp::{Options, Pusher, at_base};
use tempfile::TempDir;

use super::processes::Writer;
use super::pusher::clear;
use super::receiver::Receiver;
use super::{Web, child};

const BASE: &str = "MMSTATS_TEST_PUSH_BASE";

#[test]
fn an_hour_without_a_receiver_costs_no_memory_and_loses_no_total() {
    const NAME: &str = "away::an_hour_without_a_receiver_costs_no_memory_and_loses_no_total";
    if child::is_child(NAME) {
        return push_for_an_hour();
    }
    let root = TempDir::new().unwrap();
    // A free port on which nothing listens yet.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut writer = Writer::start(root.path(), &[]);
    writer.add(7);
    let mut command = child::command(NAME, root.path());
    clear(&mut command);
    let mut pusher = child::start(command.env(BASE, format!("http://{address}")));
    let mut lines = BufReader::new(pusher.0.stdout.take().unwrap()).lines();
    let mut until = |wanted: &str| {
        let line = lines.find_map(|line| Some(line.unwrap().split_once(wanted)?.1.to_owned()));
        line.expect("the pusher goes on")
    };
    let mut stdin = pusher.0.stdin.take().unwrap();

    until("pushed in vain");
    // A process that ends meanwhile, and whose file is removed: its total is nowhere else.
    let gone = writer.pid();
    writer.kill();
    for file in std::fs::read_dir(root.path().join("my-app")).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains(&format!("-{gone}-")) {
            std::fs::remove_file(path).unwrap();
        }
    }
    writeln!(stdin).unwrap();
    let pages: i64 = until("grew by pages: ").parse().unwrap();
    assert!(pages < 64, "{pages}");

    let receiver = Receiver::listen(TcpListener::bind(address).unwrap(), []);
    writeln!(stdin).unwrap();
    let counted: f64 = until("counted ").parse().unwrap();
    assert!(pusher.0.wait().unwrap().success());
    let request = receiver.next();
    let of = |pid| request.value(pid, "my-app.requests");
    assert_eq!((of(pusher.0.id()), of(gone)), (Some(counted), Some(7.0)));
    assert!(receiver.try_next().is_none(), "each of them once");
}

/// Runs in a process of its own. Time passes by as much as the pusher asks to wait; nothing really waits.
fn push_for_an_hour() {
    const HOUR: Duration = Duration::from_secs(3600);
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let web = Web::builder().path(&root).create().unwrap();
    let options = Options {
        paths: vec![root.into()],
        endpoint: at_base(&std::env::var(BASE).unwrap()),
        ..Options::default()
    };
    let mut pusher = Pusher::new(options).unwrap();
    let fail = |pusher: &mut Pusher| {
        web.requests.inc();
        let error = pusher.push().unwrap_err();
        error.retry_after().expect("it may be back").as_secs_f64()
    };
    let told = |said: &str| {
        println!("{said}");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    };
    let first = fail(&mut pusher);
    assert!((0.5..1.5).contains(&first), "{first}");
    for _ in 0..40 {
        fail(&mut pusher);
    }
    told("pushed in vain");
    let waits = |pusher: &mut Pusher| {
        let mut time = 0.0;
        while time < HOUR.as_secs_f64() {
            let wait = fail(pusher);
            assert!((15.0..45.0).contains(&wait), "{wait}");
            time += wait;
        }
    };
    // What is kept of the ended process is there from the first round on.
    fail(&mut pusher);
    let before = pages();
    waits(&mut pusher);
    told(&format!("grew by pages: {}", pages() - before));
    pusher.push().unwrap();
    println!("counted {}", web.requests.get());
}

/// Returns the resident pages of this process.
fn pages() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}
