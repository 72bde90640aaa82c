//! Options: what an agent reads, keeps and answers.

use std::path::PathBuf;
use std::time::Duration;

/// What a [`router`](super::router) shows, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Roots, models' directories, stats files or PIDs. If empty, the paths that the environment names. They need not
    /// exist yet.
    pub paths: Vec<PathBuf>,
    /// How long the past is kept by the second, and how long series are kept that are in no file any more. The past
    /// by the minute is kept for a day. The default is an hour.
    pub keep: Duration,
    /// About how many bytes the past may take. The default is 256 MiB.
    pub memory: usize,
    /// Whether pages for Prometheus say from when each series counts (`_created`). The default is `false`, because
    /// most servers store that as an additional series.
    pub created: bool,
    /// Whether the header `Host` must be a name of this machine (`localhost`, 127.0.0.1, `[::1]`). This keeps pages
    /// of other sites from reading an agent that listens on a loopback address (DNS rebinding). The default is
    /// `false`.
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
