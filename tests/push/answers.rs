//! What a pusher does when the receiver refuses, sends an invalid answer, or is away.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use mmstats::{MmStats, Stats};
use tempfile::TempDir;

use super::Web;
use super::pusher::{Pusher, command, ended, once, own_root};
use super::receiver::{Receiver, Request, partial, reply};

fn web(root: &TempDir) -> Stats<Web> {
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(5);
    web
}

fn requests(request: &Request) -> Option<f64> {
    request.value(std::process::id(), "my-app.requests")
}

#[test]
fn a_receiver_that_is_busy_is_tried_again_with_a_fresh_reading() {
    for status in ["429 Too Many", "502 Bad", "503 Busy", "504 Late"] {
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([reply(status, "", b"")]);
        let web = web(&root);
        let pusher = Pusher::start(root.path(), &receiver.base());
        let first = receiver.next();
        assert_eq!(requests(&first), Some(5.0));
        web.requests.add(2);
        let second = receiver.next();
        assert_eq!(requests(&second), Some(7.0), "{status}");
        // Not after the interval of 0.1 s: each wait is at least 0.5 s.
        assert!(
            second.at - first.at >= Duration::from_millis(500),
            "{status}"
        );
        let (status, said, _) = pusher.terminate();
        assert!(status.success(), "{said}");
        assert!(
            said.contains("answered") && said.contains("pushing again"),
            "{said}"
        );
    }
}

#[test]
fn retry_after_is_honoured_as_seconds_and_as_a_date() {
    for as_date in [false, true] {
        let root = TempDir::new().unwrap();
        // In whole seconds, like a date.
        let date = SystemTime::now() + Duration::from_secs(5);
        let date = httpdate::parse_http_date(&httpdate::fmt_http_date(date)).unwrap();
        let retry_after = match as_date {
            true => httpdate::fmt_http_date(date),
            false => "2".to_owned(),
        };
        let header = format!("Retry-After: {retry_after}\r\n");
        let receiver = Receiver::start([reply("429 Too Many", &header, b"")]);
        let _web = web(&root);
        let _pusher = Pusher::start(root.path(), &receiver.base());
        let (first, second) = (receiver.next(), receiver.next());
        if as_date {
            let came = SystemTime::now() - second.at.elapsed();
            assert!(came >= date, "{retry_after}: {came:?}");
        } else {
            let wait = second.at - first.at;
            assert!(wait >= Duration::from_secs(2), "{retry_after}: {wait:?}");
        }
    }
}

#[test]
fn a_push_that_is_wrong_is_not_tried_again() {
    for (status, body) in [
        ("400 Bad", "no such tenant"),
        ("401 No", ""),
        ("404 Not", "<html>"),
        ("413 Big", ""),
    ] {
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([reply(status, "Retry-After: 0\r\n", body.as_bytes())]);
        let _web = web(&root);
        let (success, said) = once(root.path(), &receiver.base());
        assert!(!success);
        assert!(said.contains(&status[..3]) && said.contains(body), "{said}");
        receiver.next();
        assert!(receiver.try_next().is_none(), "{status}");
    }
}

#[test]
fn once_tries_again_for_a_while() {
    let root = TempDir::new().unwrap();
    let busy = || reply("503 Busy", "Retry-After: 0\r\n", b"");
    let receiver = Receiver::start([busy(), busy()]);
    let _web = web(&root);
    let (success, said) = once(root.path(), &receiver.base());
    assert!(success, "{said}");
    assert_eq!(std::iter::from_fn(|| receiver.try_next()).count(), 3);

    receiver.reply(reply("503 Busy", "Retry-After: 60\r\n", b""));
    let (success, said) = once(root.path(), &receiver.base());
    assert!(!success && said.contains("503"), "{said}");
}

#[test]
fn a_partial_success_is_reported_and_not_tried_again() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([partial(3, "names too long")]);
    let _web = web(&root);
    let (success, said) = once(root.path(), &receiver.base());
    assert!(!success);
    assert!(said.contains("rejected 3 points: names too long"), "{said}");
    receiver.next();
    assert!(receiver.try_next().is_none());

    // No point was rejected, but there is a message: a warning.
    receiver.reply(partial(0, "slow down"));
    let (success, said) = once(root.path(), &receiver.base());
    assert!(success && said.contains("slow down"), "{said}");
}

#[test]
fn nonsense_is_no_success() {
    let redirect = reply("307 Moved", "Location: http://127.0.0.1:9/\r\n", b"");
    for (answer, wanted) in [
        (
            reply(
                "200 OK",
                "Content-Type: text/html\r\n",
                b"<html>Sign in</html>",
            ),
            "the answer is not OTLP",
        ),
        (reply("200 OK", "", &[0xff; 4096]), "the answer is not OTLP"),
        (redirect, "redirect"),
        (reply("999 What", "", b""), "999"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "cannot push"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".to_vec(),
            "cannot push",
        ),
        (b"\0\0\0".to_vec(), "cannot push"),
        (Vec::new(), "cannot push"),
    ] {
        let root = TempDir::new().unwrap();
        // A push with a broken answer may be tried again, so there are several of them.
        let receiver = Receiver::start(std::iter::repeat_n(answer.clone(), 30));
        let _web = web(&root);
        let mut command = command(root.path(), &receiver.base(), &["--once"]);
        let (success, said) = ended(command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(!success && said.contains(wanted), "{answer}: {said}");
    }
}

#[test]
fn a_receiver_that_was_away_gets_the_totals_when_it_is_back() {
    let root = TempDir::new().unwrap();
    let web = web(&root);
    // A free port on which nothing listens yet.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let base = format!("http://{address}");
    let (success, said) =
        ended(command(root.path(), &base, &["--once"]).env("OTEL_EXPORTER_OTLP_TIMEOUT", "500"));
    assert!(!success && said.contains(&base), "{said}");
    let pusher = Pusher::start(root.path(), &base);
    // Its own file says that it failed.
    let mut reader = loop {
        if let Ok(reader) = mmstats::reader::Reader::open(own_root(root.path())) {
            break reader;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let own = |reader: &mut mmstats::reader::Reader, label: &str| {
        let snapshot = reader.snapshot().unwrap();
        let value = snapshot.get("mmstats-push", label);
        value.and_then(|value| value.as_f64()).unwrap_or(0.0)
    };
    while own(&mut reader, "failures") == 0.0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(own(&mut reader, "pushes"), 0.0);
    web.requests.add(4);
    let receiver = Receiver::listen(TcpListener::bind(address).unwrap(), []);
    assert_eq!(requests(&receiver.next()), Some(9.0));
    receiver.next();
    assert!(own(&mut reader, "pushes") >= 1.0);
    assert!(own(&mut reader, "last_success") > 1.7e9);
    let (status, said, _) = pusher.terminate();
    assert!(status.success() && said.contains("pushing again"), "{said}");
    std::fs::remove_dir_all(own_root(root.path())).unwrap();
}

#[test]
fn a_receiver_that_never_answers_does_not_hold_up_the_end() {
    let root = TempDir::new().unwrap();
    let _web = web(&root);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let pusher = Pusher::start(root.path(), &base);
    let _connection = silent.accept().unwrap();
    let (status, _, time) = pusher.terminate();
    assert_eq!(status.code(), Some(1));
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[test]
fn wrong_usage_says_what_to_write() {
    let root = TempDir::new().unwrap();
    for (base, variable, value, wanted) in [
        ("localhost:4318", "A", "", "http://localhost:4318"),
        (
            "http://a",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "http/protobuf",
        ),
        (
            "https://a",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/nowhere.pem",
            "/nowhere.pem",
        ),
    ] {
        let mut command = command(root.path(), base, &["--once"]);
        let (success, said) = ended(command.env(variable, value));
        assert!(!success && said.contains(wanted), "{said}");
    }
    let missing = root.path().join("missing");
    let receiver = Receiver::start([]);
    let (success, said) = once(&missing, &receiver.base());
    assert!(!success && said.contains("missing"), "{said}");
}
