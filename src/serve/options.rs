//! What an agent reads, keeps and answers.

use std::path::PathBuf;
use std::time::Duration;

/// What a [`router`](super::router) shows, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Roots, models' directories, stats files or PIDs; none: where the environment says. They need not be there
    /// yet.
    pub paths: Vec<PathBuf>,
    /// How long the past is kept by the second, and series that no file has any more. By the minute it is kept for
    /// a day. At first an hour.
    pub keep: Duration,
    /// How many bytes the past may take, about. At first 256 MiB.
    pub memory: usize,
    /// Whether pages for Prometheus say from when each series counts (`_created`). At first not: most servers
    /// store that as one more series.
    pub created: bool,
    /// Whether only names of this machine (`localhost`, 127.0.0.1, `[::1]`) are taken for the header `Host`. That keeps
    /// pages of other sites from reading an agent that listens on a loopback address (DNS rebinding). At first not.
    pub local_only: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paths: Vec::new(),
            keep: Duration::from_secs(3600),
            memory: 256 << 20,
            created: false,
            local_only: false,
        }
    }
}
