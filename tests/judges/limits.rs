//! Hostile clients of the agent, and its end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::http::{connect, raw};
use crate::poll;

/// The agent's time-outs, 10 s and 30 s, plus some time for a busy machine.
const HEAD: Duration = Duration::from_secs(25);
const BODY: Duration = Duration::from_secs(55);

fn agent() -> (tempfile::TempDir, Agent) {
    let root = tempfile::tempdir().unwrap();
    let agent = Agent::start(root.path());
    (root, agent)
}

fn status(agent: &Agent, request: &str) -> u16 {
    raw(agent.address, request.as_bytes())
        .expect("an answer")
        .status
}

#[test]
fn wrong_requests_are_refused() {
    let (_root, agent) = agent();
    let tail = "Host: localhost\r\nConnection: close\r\n\r\n";
    for (line, expected) in [
        ("POST /metrics", 405),
        ("DELETE /api/v1/snapshot", 405),
        ("PUT /", 405),
        ("GET /api/v1/stats", 405),
        ("GET /nothing", 404),
        ("GET /api/v2/snapshot", 404),
        ("GET /page/nothing.js", 404),
    ] {
        assert_eq!(
            status(&agent, &format!("{line} HTTP/1.1\r\n{tail}")),
            expected,
            "{line}"
        );
    }
    for path in [
        "/../../../../etc/passwd",
        "/page/../../../../etc/passwd",
        "/page/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/stats/../../etc/passwd",
        "/api/v1/stats/..%2f..%2f..%2fetc%2fpasswd",
        "/page//etc/passwd",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\n{tail}");
        let answer = raw(agent.address, request.as_bytes()).unwrap();
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("root:"), "{path}: {body}");
        assert!(
            matches!(answer.status, 200 | 400 | 404),
            "{path}: {}",
            answer.status
        );
    }
    for host in [
        "example.org",
        "localhost.example.org:80",
        "127.0.0.1.nip.io",
    ] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&agent, &request), 421, "{host}");
    }
    // Without a host it is not a browser.
    let answer = raw(agent.address, b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert_eq!(
        raw(agent.address, b"\x16\x03\x01 no HTTP\r\n\r\n")
            .unwrap()
            .status,
        400
    );
}

#[test]
fn what_is_too_long_is_refused() {
    let (_root, agent) = agent();
    let long = "x".repeat(256 << 10);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nLong: {long}\r\n\r\n");
    assert_eq!(status(&agent, &request), 431);
    let request = format!(
        "POST /api/v1/stats HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        8 << 20,
        long.repeat(8)
    );
    assert_eq!(status(&agent, &request), 413);
    assert_eq!(agent.get("/healthz", &[]).status, 200);
}

/// The agent closes each of these connections, while it answers others as usual.
#[test]
fn slow_clients_are_rid_of() {
    let (_root, agent) = agent();
    let idle = agent.descriptors();
    let start = Instant::now();
    let mut silent = connect(agent.address);
    let mut bodyless = connect(agent.address);
    let head = "POST /api/v1/stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[";
    bodyless.write_all(head.as_bytes()).unwrap();
    // Sends requests and reads none of the answers, so that they fill the systems' buffers in between.
    let deaf = connect(agent.address);
    deaf.set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let many = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    while (&deaf).write_all(many.as_bytes()).is_ok() && start.elapsed() < HEAD {}
    // Its head arrives byte by byte.
    let mut slow = connect(agent.address);
    slow.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nLong: "
        .bytes()
        .chain(std::iter::repeat(b'x'));
    poll("the end of a slow head", HEAD, || {
        assert_eq!(agent.get("/healthz", &[]).status, 200);
        let _ = slow.write_all(&[head.next().unwrap()]);
        is_closed(&mut slow).then_some(())
    });
    poll("the end of a silent client", HEAD, || {
        is_closed(&mut silent).then_some(())
    });
    let mut answer = [0; 12];
    bodyless.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    drop(bodyless);
    poll("the end of a deaf client", BODY, || {
        (agent.descriptors() <= idle).then_some(())
    });
    assert!(start.elapsed() > Duration::from_secs(9), "they had time");
}

/// Returns whether the other side has closed the connection, with or without an answer.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}

#[test]
fn sigterm_ends_it_during_streams() {
    let (_root, agent) = agent();
    let mut streams: Vec<TcpStream> = (0..8).map(|_| connect(agent.address)).collect();
    for stream in &mut streams {
        stream
            .write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        // The first event is under way.
        let mut seen = Vec::new();
        while !seen.windows(8).any(|seen| seen == b"snapshot") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
    }
    let _half = connect(agent.address).write_all(b"GET /metr");
    let (status, time) = agent.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(time < Duration::from_secs(2), "{time:?}");
}
