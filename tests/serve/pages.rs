//! What the agent serves beside its data, to whom, and how it ends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use mmstats::MmStats;
use tempfile::TempDir;

use super::Web;
use super::agent::Agent;

#[test]
fn it_waits_for_files() {
    let root = TempDir::new().unwrap();
    let later = root.path().join("later");
    let agent = Agent::start(&later, &[]);
    assert_eq!(agent.body("/healthz"), "ok");
    assert_eq!(
        agent.sample("mmstats_bad_files"),
        Some(1.0),
        "there is no such directory"
    );
    let web = Web::builder().path(&later).create().unwrap();
    web.requests.inc();
    agent.until(
        |agent| agent.sample("my_app_requests_total"),
        |total| *total == Some(1.0),
    );
    assert_eq!(agent.sample("mmstats_bad_files"), Some(0.0));
}

#[test]
fn the_page_is_for_this_machine_and_loads_nothing_from_elsewhere() {
    let root = TempDir::new().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let page = agent.get("/");
    let head = page.head.to_ascii_lowercase();
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!head.contains("access-control"), "{head}");
    // The icon is an image in the page itself; its namespace is a name and not an address.
    let body = page.body.replace("http://www.w3.org/2000/svg", "");
    assert!(
        body.starts_with("<!doctype html>") && !body.contains("://"),
        "{}",
        page.body
    );
    // Every file that it names exists.
    for name in page
        .body
        .split('"')
        .filter_map(|text| text.strip_prefix("page/"))
    {
        assert_eq!(agent.get(&format!("/page/{name}")).status, 200, "{name}");
    }
    for (host, status) in [
        ("evil.example", 421),
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:9", 200),
    ] {
        let answer = agent.request(&format!("GET / HTTP/1.1\r\nHost: {host}"), "");
        assert_eq!(answer.status, status, "{host}");
    }
    assert_eq!(agent.request("GET /healthz HTTP/1.0", "").status, 200);
    for (path, status) in [
        ("/nope", 404),
        ("/page/nope", 404),
        ("/page/..%2fmod.rs", 404),
    ] {
        assert_eq!(agent.get(path).status, status, "{path}");
    }
    assert_eq!(agent.post("/metrics", "").status, 405);
}

#[test]
fn it_ends_when_it_is_asked_also_while_it_streams() {
    let root = TempDir::new().unwrap();
    for signal in ["-INT", "-TERM"] {
        let mut agent = Agent::start(root.path(), &[]);
        let mut stream = agent.connect();
        write!(
            stream,
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        let mut first = [0; 64];
        stream.read_exact(&mut first).unwrap();
        let begin = Instant::now();
        let pid = agent.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(agent.process.wait().unwrap().code(), Some(0));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn a_head_that_never_ends_is_not_waited_for_and_a_huge_one_is_refused() {
    let root = TempDir::new().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let mut slow = agent.connect();
    write!(slow, "GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
    let huge = "x".repeat(1 << 20);
    let answer = {
        let mut stream = agent.connect();
        // The connection may be closed before everything is sent.
        let _ = write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {huge}\r\n\r\n"
        );
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(agent.post("/api/v1/stats", &huge.repeat(2)).status, 413);
    // Meanwhile others are served; then the slow connection is closed.
    assert_eq!(agent.body("/healthz"), "ok");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
        "{rest:?}"
    );
}

/// The number of connections that it serves at a time.
const CONNECTIONS: usize = 512;

#[test]
fn beyond_the_most_connections_others_wait_for_their_turn() {
    let root = TempDir::new().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let ask = |stream: &mut TcpStream| {
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    };
    let answer = |stream: &mut TcpStream| {
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).map(|()| answer)
    };
    // Each is served, and stays open.
    let mut all: Vec<TcpStream> = (0..CONNECTIONS).map(|_| agent.connect()).collect();
    for stream in &mut all {
        ask(stream);
        assert_eq!(&answer(stream).unwrap(), b"HTTP/1.1 200 OK");
    }
    let mut late = agent.connect();
    ask(&mut late);
    late.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let refused = answer(&mut late).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    drop(all.pop());
    late.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(&answer(&mut late).unwrap(), b"HTTP/1.1 200 OK");
}
