//! The models that these tests write.

use std::path::{Path, PathBuf};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, LabelsRef,
    MmLabels, MmStats, MmValue, MovingAverage, Percentile, SamplingCounter, Summary, Text, Timer,
    UpDown,
};

/// The model of the design.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
pub struct Web {
    /// Requests received.
    pub requests: Counter,
    pub in_flight: UpDown,
    pub temperature: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    pub body_size: Percentile,
    #[mmstats(label = "timers.response")]
    pub response_time: Timer,
    pub pool: Compound<Pool>,
    pub release: Text<32>,
    pub ready: Flag,
    pub load: Summary,
    #[mmstats(window = "1s")]
    pub recent_load: Summary,
    #[mmstats(window = "24h")]
    pub recent_time: Timer,
    pub mean_load: Average,
    pub last_load: MovingAverage<10>,
    pub hits: SamplingCounter<10>,
    pub last_sizes: History<10>,
    pub errors: Errors,
    #[mmstats(value = 40 + 2)]
    pub limit: Constant<u16>,
    #[mmstats(value = "abc123")]
    pub commit: Constant<&'static str>,
    pub db: Db,
    pub handlers: Groups<Handler>,
    pub routes: Groups<Handler, Route>,
}

#[derive(MmLabels, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    pub handler: &'static str,
    pub status: u16,
}

/// The borrowed form of `Route`.
#[derive(Hash)]
pub struct RouteRef<'a> {
    pub handler: &'a str,
    pub status: u16,
}

impl LabelsRef<Route> for RouteRef<'_> {
    fn is(&self, route: &Route) -> bool {
        self.status == route.status && self.handler == route.handler
    }

    fn to_labels(&self) -> Route {
        Route {
            handler: self.handler.to_owned().leak(),
            status: self.status,
        }
    }
}

#[derive(MmStats)]
pub struct Db {
    pub queries: Counter,
}

#[derive(MmStats)]
pub struct Handler {
    pub response_ok: Counter,
    pub response_bad: Counter,
    pub response_time: Timer,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, MmValue)]
#[repr(C)]
pub struct Pool {
    pub open: u32,
    pub idle: u32,
    pub waits: u64,
}

/// Returns a merged snapshot of the files under `path`.
pub fn snapshot(path: impl AsRef<Path>) -> Snapshot {
    Reader::open(path).unwrap().snapshot().unwrap()
}

/// Returns the names in a directory, sorted; empty if there is no directory.
pub fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Returns a model's directory under a root.
pub fn directory(root: &tempfile::TempDir, model: &str) -> PathBuf {
    root.path().join(model)
}
