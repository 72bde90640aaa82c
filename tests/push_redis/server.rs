//! A real redis-server for one test.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Commands, Connection};
use tempfile::TempDir;

/// Longer than a server may take to start, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns a port that is free at the moment.
pub fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// A server in a directory of its own, killed by its id.
pub struct Server {
    process: Option<Child>,
    directory: TempDir,
    pub port: u16,
}

impl Server {
    /// Starts a server; `None`, after reporting it, if there is no redis-server. With MMSTATS_REQUIRE_REAL that is a
    /// failure.
    pub fn start(arguments: &[&str]) -> Option<Server> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            assert!(
                std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
                "there is no redis-server: apt-get install redis-server"
            );
            eprintln!("SKIPPED: there is no redis-server");
            return None;
        }
        let mut server = Server {
            process: None,
            directory: tempfile::tempdir().unwrap(),
            port: free_port(),
        };
        server.run(arguments);
        Some(server)
    }

    /// Starts it, also again.
    pub fn run(&mut self, arguments: &[&str]) {
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(self.directory.path())
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        let begin = Instant::now();
        while self.try_connect().is_none() {
            assert!(begin.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::yield_now();
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn signal(&self, signal: i32) {
        let process = self.process.as_ref().unwrap();
        // SAFETY: our child, which has not been waited for yet.
        assert_eq!(unsafe { libc::kill(process.id() as i32, signal) }, 0);
    }

    /// Returns the directory into which SAVE writes.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn try_connect(&self) -> Option<Connection> {
        let mut connection = redis::Client::open(self.url())
            .ok()?
            .get_connection()
            .ok()?;
        // While it loads a dump it accepts connections, and answers with an error.
        let answer: redis::RedisResult<String> = redis::cmd("PING").query(&mut connection);
        answer.ok().map(|_| connection)
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The values of a label.
pub struct Stat<'a>(pub &'a mut Connection, pub &'a str);

impl Stat<'_> {
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.0.get(format!("AKA-STATS::{key}::{}", self.1)).unwrap()
    }

    pub fn number(&mut self, key: &str) -> f64 {
        let text = self.text(key);
        let text = text.unwrap_or_else(|| panic!("no {key} of {}", self.1));
        text.parse().unwrap()
    }

    pub fn count(&mut self) -> u64 {
        self.text("COUNT").map_or(0, |count| count.parse().unwrap())
    }

    /// Returns its history, newest first: value and context.
    pub fn history(&mut self) -> Vec<(f64, String)> {
        let key = format!("AKA-STATS::HISTORY::{}", self.1);
        let entries: Vec<String> = self.0.lrange(key, 0, -1).unwrap();
        let parts = entries.iter().map(|entry| {
            let parts: Vec<&str> = entry.split(';').collect();
            let [time, value, context] = parts[..] else {
                panic!("{entry}");
            };
            let time: f64 = time.parse().unwrap();
            assert!(time > 1.7e9, "{entry}");
            (value.parse().unwrap(), context.to_owned())
        });
        parts.collect()
    }

    pub fn expires(&mut self, key: &str) -> i64 {
        redis::cmd("TTL")
            .arg(format!("AKA-STATS::{key}::{}", self.1))
            .query(self.0)
            .unwrap()
    }
}
