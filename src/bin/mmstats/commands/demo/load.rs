//! The load: a few clients that send requests at a fixed rate and count the answers themselves.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::StatusCode;

const CLIENTS: u32 = 4;
/// The interval between the requests of a client, which is longer only if it had to wait for an
/// answer. So the load is bounded on any machine.
const INTERVAL: Duration = Duration::from_millis(4);

/// Answers as clients counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerCounts {
    pub index: Answers,
    pub login: Answers,
    /// Requests without an answer.
    pub failed: u64,
}

/// Answers of one handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub ok: u64,
    pub bad: u64,
}

impl Answers {
    pub fn total(self) -> u64 {
        self.ok + self.bad
    }

    fn count(&mut self, status: StatusCode) {
        if status.is_success() {
            self.ok += 1
        } else {
            self.bad += 1
        }
    }

    fn add(&mut self, other: Answers) {
        self.ok += other.ok;
        self.bad += other.bad;
    }
}

/// The clients, at work until this is stopped or dropped.
pub struct Load {
    /// Dropping these tells the clients to stop.
    stop: Vec<Sender<()>>,
    clients: Vec<JoinHandle<AnswerCounts>>,
}

impl Load {
    pub fn start(service: SocketAddr) -> io::Result<Load> {
        let mut load = Load {
            stop: Vec::new(),
            clients: Vec::new(),
        };
        let begin = Instant::now();
        for client in 0..CLIENTS {
            let (stop, stopped) = channel();
            // The clients take turns.
            let first = begin + INTERVAL * client / CLIENTS;
            let body = move || send_requests(service, first, &stopped);
            load.clients.push(
                thread::Builder::new()
                    .name(format!("client-{client}"))
                    .spawn(body)?,
            );
            load.stop.push(stop);
        }
        Ok(load)
    }

    /// Lets the clients receive their last answers, and adds up their counts.
    pub fn stop(mut self) -> AnswerCounts {
        let mut sum = AnswerCounts::default();
        for counted in self.join() {
            sum.index.add(counted.index);
            sum.login.add(counted.login);
            sum.failed += counted.failed;
        }
        sum
    }

    fn join(&mut self) -> Vec<AnswerCounts> {
        self.stop.clear();
        // A client that panicked has said so on stderr; its requests are missed in the comparison.
        self.clients
            .drain(..)
            .filter_map(|client| client.join().ok())
            .collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

/// Runs a client until its channel is closed.
fn send_requests(service: SocketAddr, first: Instant, stopped: &Receiver<()>) -> AnswerCounts {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        // Never through a proxy that the environment names.
        .proxy(None)
        .build()
        .into();
    let (index, login) = (
        format!("http://{service}/"),
        format!("http://{service}/login"),
    );
    let mut counted = AnswerCounts::default();
    let mut due = first;
    for number in 0u64.. {
        match stopped.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        let (answers, answer) = if number % 4 < 3 {
            (&mut counted.index, agent.get(&index).call())
        } else {
            // Of a hundred logins, ten fail due to a wrong password and two due to an error of the
            // service.
            let credentials = match number / 4 % 50 {
                0..44 => "ada:secret",
                44..49 => "eve:guess",
                _ => "nobody:secret",
            };
            (&mut counted.login, agent.post(&login).send(credentials))
        };
        // Read to the end, so that the connection can be reused.
        let read = answer.and_then(|mut answer| {
            answer.body_mut().read_to_vec()?;
            Ok(answer.status())
        });
        match read {
            Ok(status) => answers.count(status),
            Err(error) => {
                // One of many is enough.
                if counted.failed == 0 {
                    log::warn!("a request of the demo had no answer: {error}");
                }
                counted.failed += 1;
            }
        }
        // Late requests are not made up for, so no burst follows a pause.
        due = (due + INTERVAL).max(Instant::now());
    }
    counted
}
