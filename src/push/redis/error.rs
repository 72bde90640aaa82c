//! What can go wrong with a push, and what to do.

use std::fmt;

/// Why a round of pushing failed. Nothing is lost by it: the next round pushes what this one did not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection failed, or the server did not answer in time. It was dropped: push with
    /// [a new one](super::Pusher::reconnect).
    #[error("the connection to Redis failed: {0}: check that it runs at this address")]
    Connection(#[source] redis::RedisError),
    /// The connection has failed in an earlier round.
    #[error("there is no connection to Redis since the last one failed: call `reconnect`")]
    NoConnection,
    /// The server takes no writes.
    #[error("Redis refused to write: {message}: {remedy}")]
    Refused {
        /// What it answered.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The snapshot was not made with [`Per::File`](crate::reader::Per::File).
    #[error("the snapshot does not keep files apart: call `reader.per(Per::File)` first")]
    NotPerFile,
}

/// A label that could not be pushed, while others were.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The label, or a file's path.
    pub label: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.problem)
    }
}

/// Answers that are about the server and not about one label.
const REFUSALS: [(&str, &str); 12] = [
    (
        "READONLY",
        "it is a replica: give the address of the primary",
    ),
    ("OOM", "it is full: raise its `maxmemory`"),
    ("MISCONF", "it cannot save its data: see its log"),
    (
        "NOAUTH",
        "give the password in the URL: redis://:PASSWORD@HOST",
    ),
    ("WRONGPASS", "the password in the URL is wrong"),
    (
        "NOPERM",
        "allow this user the commands EVAL, EVALSHA, GET, SET, ZADD, ZREMRANGEBYSCORE and the script's",
    ),
    ("LOADING", "it is starting: it is tried again"),
    (
        "MASTERDOWN",
        "its primary is down: give the address of the primary",
    ),
    ("CLUSTERDOWN", "the cluster is down: see its log"),
    (
        "CROSSSLOT",
        "on a cluster the namespace has to be in braces: `--namespace '{stats}'`",
    ),
    (
        "MOVED",
        "give the address of the node that has this namespace",
    ),
    ("BUSY", "it runs another script: it is tried again"),
];

impl Error {
    /// What an answer means for the whole round; `None`: it is about one label.
    pub(super) fn of_answer(error: &redis::RedisError) -> Option<Error> {
        if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
            return Some(Error::Connection(error.clone()));
        }
        let message = error.to_string();
        let code = error.code().unwrap_or_default();
        // Servers before 7 hide the code of what failed within a script in the text.
        let means = |wanted: &str| code == wanted || message.contains(&format!("-{wanted} "));
        let (_, remedy) = REFUSALS.iter().find(|(code, _)| means(code))?;
        Some(Error::Refused { message, remedy })
    }
}

/// What to do where one label is refused.
pub(super) fn of_label(error: &redis::RedisError) -> String {
    let message = error.to_string();
    let remedy = if message.contains("WRONGTYPE") {
        "a key of this label holds something else: remove it, or choose another namespace"
    } else {
        "the label's keys stay as they were; it is tried again"
    };
    format!("not pushed: {message}: {remedy}")
}
