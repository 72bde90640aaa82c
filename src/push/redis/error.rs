//! Errors of a push, and their remedies.

use std::fmt;

/// The reason why a round of pushing failed. Nothing is lost: the next round pushes what this one did not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection failed, or the server did not answer in time. The connection was dropped: push with [a new
    /// one](super::Pusher::reconnect).
    #[error("the connection to Redis failed: {}: check that it runs at this address", reason(.0))]
    Connection(#[source] redis::RedisError),
    /// The connection has failed in an earlier round.
    #[error("there is no connection to Redis since the last one failed: call `reconnect`")]
    NoConnection,
    /// Another node of the cluster has this namespace: push with [a connection to it](super::Pusher::reconnect).
    #[error(
        "another node of the cluster, {node}, has this namespace: give the address of that one"
    )]
    Moved {
        /// `host:port`, or `:port` on the host that was asked.
        node: String,
    },
    /// The server does not accept writes.
    #[error("Redis refused to write: {message}: {remedy}")]
    Refused {
        /// The answer of the server.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The snapshot was not made with [`Per::File`](crate::reader::Per::File).
    #[error("the snapshot does not keep files apart: call `reader.per(Per::File)` first")]
    NotPerFile,
}

fn reason(error: &redis::RedisError) -> String {
    if error.is_timeout() {
        "no answer came in time".to_owned()
    } else {
        error.to_string()
    }
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

/// The remedy for a cluster, which requires all keys of a label in one slot. The text in braces determines the slot.
const ONE_SLOT: &str = "on a cluster the namespace must be in braces: `--namespace '{stats}'`";

/// Answers that concern the server and not one label.
const REFUSALS: [(&str, &str); 13] = [
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
    ("CROSSSLOT", ONE_SLOT),
    (
        "ASK",
        "the namespace is moving to another node; the push is retried",
    ),
    (
        "TRYAGAIN",
        "the namespace is moving to another node; the push is retried",
    ),
    ("BUSY", "it runs another script: it is tried again"),
];

impl Error {
    /// Replaces [`Error::Moved`] for a namespace without braces: no node has all of its keys, so naming one does not
    /// help.
    pub(super) fn or_one_slot(self, namespace: &str) -> Error {
        let begin = namespace.find('{').map(|begin| &namespace[begin + 1..]);
        let has_braces = begin.and_then(|text| text.find('}')) > Some(0);
        match self {
            Error::Moved { node } if !has_braces => Error::Refused {
                message: format!("the keys of {namespace} are on several nodes (MOVED {node})"),
                remedy: ONE_SLOT,
            },
            error => error,
        }
    }

    /// Returns the error that an answer means for the whole round; `None` if it concerns one label.
    pub(super) fn of_answer(error: &redis::RedisError) -> Option<Error> {
        if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
            return Some(Error::Connection(error.clone()));
        }
        if let (redis::ErrorKind::Server(redis::ServerErrorKind::Moved), Some((node, _))) =
            (error.kind(), error.redirect_node())
        {
            return Some(Error::Moved {
                node: node.to_owned(),
            });
        }
        let message = error.to_string();
        let code = error.code().unwrap_or_default();
        // In servers before version 7, the code of an error within a script is only in the text.
        let means = |wanted: &str| code == wanted || message.contains(&format!("-{wanted} "));
        let (_, remedy) = REFUSALS.iter().find(|(code, _)| means(code))?;
        Some(Error::Refused { message, remedy })
    }
}

/// Returns the problem of a label that was refused, with its remedy.
pub(super) fn of_label(error: &redis::RedisError) -> String {
    let message = error.to_string();
    let remedy = if message.contains("WRONGTYPE") {
        "a key of this label holds something else: remove it, or choose another namespace"
    } else {
        "the label's keys stay as they were; it is tried again"
    };
    format!("not pushed: {message}: {remedy}")
}
