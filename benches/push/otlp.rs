//! OTLP over HTTP, to a receiver that accepts everything immediately.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use mmstats::push::otlp;

use super::files::Content;
use super::processes::Processes;
use super::pusher::{Pusher, obey};
use super::report::Report;
use super::{idle, memory, row};

/// The arguments that ask this program for [`run`].
pub const ONCE: &str = "--otlp-once";
pub const AGAIN: &str = "--otlp";

const PROCESSES: u64 = 1_000;
/// Processes that push once.
const RUNS: usize = 11;

/// The process of the pusher.
pub fn run(endpoint: &str, root: &str, is_once: bool) {
    let options = otlp::Options {
        paths: vec![root.into()],
        endpoint: otlp::at_base(endpoint),
        ..otlp::Options::default()
    };
    let pusher = match is_once {
        true => otlp::Pusher::once(options),
        false => otlp::Pusher::new(options),
    };
    let mut pusher = pusher.expect("a pusher");
    obey(|| {
        let pushed = pusher.push().expect("pushed");
        assert_eq!((pushed.rejected, pushed.unread), (0, 0));
        pushed.points
    });
}

pub fn measure(report: &mut Report, intervals: u32) {
    // Before the receiver, because its threads run in this process.
    let processes = Processes::start(Content::Counters, PROCESSES);
    let endpoint = format!("http://{}", receive());
    let start = |how| Pusher::start(&[how, &endpoint, path(processes.root())]);
    let points = PROCESSES * Content::Counters.values() as u64;
    let mut once: Vec<(Duration, u64)> = (0..RUNS)
        .map(|_| {
            let mut pusher = start(ONCE);
            let push = pusher.push();
            assert_eq!(push.sent, points);
            (push.time, pusher.peak())
        })
        .collect();
    once.sort();
    let (median, _) = once[RUNS / 2];
    row(
        report,
        "OTLP, 1,000 processes of 100 counters, once: the fastest",
        format!("{:.1?}", once[0].0),
    );
    report.bound(
        format!("OTLP, 1,000 processes of 100 counters, once: ≤ 300 ms, median of {RUNS}"),
        format!("{median:.1?}"),
        median <= Duration::from_millis(300),
    );
    let peak = once.iter().map(|&(_, peak)| peak).max().expect("some");
    memory(report, "OTLP, once", peak);
    let mut pusher = start(AGAIN);
    assert_eq!(pusher.push().sent, points);
    idle(report, "OTLP", &mut pusher, intervals);
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// Starts the receiver, which runs until this process ends.
fn receive() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Answers the requests of a connection: each is accepted in full.
fn answer(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let header = line.trim_end().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header.is_empty() {
                break;
            }
        }
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).ok()?;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}
