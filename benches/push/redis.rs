//! Redis, with the labels of a program that has many.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mmstats::push::redis::Pusher;
use mmstats::reader::{Per, Reader};

use super::directory::Directory;
use super::otlp::path;
use super::pusher::{self, obey};
use super::report::Report;
use super::{idle, row};

/// The argument that asks this program for [`run`].
pub const RUN: &str = "--redis";
/// The argument that asks this program for [`labels`].
pub const LABELS: &str = "--labels";

const NUMBER: u64 = 5_000;

/// The process of the pusher.
pub fn run(url: &str, root: &str) {
    let mut pusher = Pusher::new(connect(url).expect("a connection"));
    let mut reader = Reader::open(root).expect("a root");
    reader.per(Per::File);
    obey(|| {
        let snapshot = reader.snapshot().expect("a snapshot");
        let pushed = pusher.push(&[snapshot]).expect("pushed");
        assert!(pushed.problems().is_empty(), "{:?}", pushed.problems());
        pushed.sent() as u64
    });
}

/// The process that holds the labels until its stdin ends.
pub fn labels() {
    for label in 0..NUMBER {
        mmstats::push_stat(&format!("label:{label}"), label as f64);
    }
    println!("ready");
    drop(std::io::stdin().read(&mut [0]));
}

pub fn measure(report: &mut Report, intervals: u32) {
    let root = Directory::new("push-redis");
    let Some(server) = Server::start() else {
        row(report, "Redis", "skipped: no redis-server".to_owned());
        return;
    };
    let mut labelled = Command::new(std::env::current_exe().expect("this program"))
        .arg(LABELS)
        .env("MMSTATS_PATH", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program again");
    let stdout = labelled.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut [0; 6]).expect("it is ready");
    let mut pusher = pusher::Pusher::start(&[RUN, &server.url, path(root.path())]);
    let push = pusher.push();
    // The process has a few metrics of its own.
    assert!(push.sent >= NUMBER, "{}", push.sent);
    report.bound(
        "Redis, 5,000 labels that are new: ≤ 1 s",
        format!("{:.1?}", push.time),
        push.time <= Duration::from_secs(1),
    );
    assert_eq!(pusher.push().sent, 0, "nothing is new");
    idle(report, "Redis, 5,000 labels", &mut pusher, intervals);
    drop(labelled.stdin.take());
    labelled.wait().expect("our child");
}

fn connect(url: &str) -> Option<redis::Connection> {
    redis::Client::open(url).ok()?.get_connection().ok()
}

/// A redis-server of our own.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts the server. Returns `None` if there is no redis-server.
    fn start() -> Option<Server> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Server {
            process,
            url: format!("redis://127.0.0.1:{port}"),
        };
        let begin = Instant::now();
        while connect(&server.url).is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20), "no answer");
            std::thread::yield_now();
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
