//! The agent's process, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running agent, which is killed when this is dropped.
pub struct Agent {
    pub process: Child,
    pub address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Agent {
    /// Serves a root.
    pub fn start(root: &Path, arguments: &[&str]) -> Agent {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mmstats"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let (before, address) = line.trim_end().split_once(" on http://").expect(&line);
        assert_eq!(before, format!("serving {}", root.display()));
        let address = address.strip_suffix('/').unwrap().parse().unwrap();
        Agent { process, address }
    }

    /// Sends a request with this head, to which only the final lines are added.
    pub fn request(&self, head: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        write!(stream, "{head}\r\nConnection: close\r\n\r\n{body}").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        let host = self.address;
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: {host}"), "")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        let (host, length) = (self.address, body.len());
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}");
        self.request(&head, body)
    }

    /// Returns the answer for a path, which must be a success.
    pub fn body(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    pub fn json(&self, path: &str) -> Json {
        serde_json::from_str(&self.body(path)).unwrap()
    }

    /// Returns the value of a sample on the page, by its name and labels as printed there.
    pub fn sample(&self, sample: &str) -> Option<f64> {
        let page = self.body("/metrics");
        let mut lines = page.lines();
        let value = lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        Some(value.parse().unwrap())
    }

    /// Asks repeatedly until the answer is as wanted.
    pub fn until<T: std::fmt::Debug>(
        &self,
        ask: impl Fn(&Agent) -> T,
        is_wanted: impl Fn(&T) -> bool,
    ) -> T {
        let begin = Instant::now();
        loop {
            let answer = ask(self);
            if is_wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "still {answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let is_chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        Answer {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: if is_chunked {
                unchunked(body)
            } else {
                body.to_owned()
            },
        }
    }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        let Some((chunk, rest)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            break;
        };
        whole.push_str(chunk);
        body = rest.trim_start_matches("\r\n");
    }
    whole
}

impl Drop for Agent {
    fn drop(&mut self) {
        // By its id; it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
