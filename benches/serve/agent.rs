//! The process of the agent, and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mmstats::serve::{Options, listen, router};

use super::usage;

/// The argument that asks this program for [`run`].
pub const RUN: &str = "--serve";

/// The agent: prints its address and serves until its stdin ends.
pub fn run(root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let options = Options {
            paths: vec![root.to_owned()],
            ..Options::default()
        };
        let router = router(options);
        println!("{}", listener.local_addr().expect("an address"));
        let stop = tokio::task::spawn_blocking(|| drop(std::io::stdin().read(&mut [0])));
        let stop = async { drop(stop.await) };
        listen(listener, router, stop).await.expect("served");
    });
}

pub struct Agent {
    process: Child,
    pub address: SocketAddr,
}

impl Agent {
    pub fn start(root: &Path) -> Agent {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .arg(RUN)
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let mut line = String::new();
        let stdout = process.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("an address");
        let address = line.trim_end().parse().expect("an address");
        Agent { process, address }
    }

    pub fn connect(&self) -> Client {
        connect(self.address)
    }

    /// Returns the resident memory in bytes.
    pub fn resident(&self) -> u64 {
        usage::resident(self.process.id())
    }

    pub fn processor_time(&self) -> Duration {
        usage::processor_time(self.process.id())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A connection that is reused.
pub struct Client(BufReader<TcpStream>);

pub fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    Client(BufReader::new(stream))
}

impl Client {
    /// Returns the body of an answer, which must have status 200 and be whole.
    pub fn get(&mut self, path: &str) -> Vec<u8> {
        write!(
            self.0.get_mut(),
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .expect("sent");
        let (mut line, mut length, mut first) = (String::new(), 0, String::new());
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a line");
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        assert!(first.contains(" 200 "), "{first}");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body");
        assert!(body.ends_with(b"\n"), "the page is whole");
        body
    }
}
