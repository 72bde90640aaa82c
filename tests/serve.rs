//! The agent as a program: its answers about files that this process writes, and its end.

#[path = "serve/agent.rs"]
mod agent;
#[path = "serve/api.rs"]
mod api;
#[path = "serve/browser.rs"]
mod browser;
#[allow(dead_code, reason = "it is not run again itself")]
#[path = "writer/child.rs"]
mod child;
#[path = "serve/pages.rs"]
mod pages;
#[path = "serve/totals.rs"]
mod totals;

use mmstats::{Compound, Counter, Gauge, Groups, MmStats, MmValue, Percentile, Text, Timer};

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    /// Requests received.
    requests: Counter,
    temperature: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    ratio: Percentile<f64>,
    #[mmstats(label = "timers.response")]
    response_time: Timer,
    pool: Compound<Pool>,
    release: Text<32>,
    #[mmstats(group_label = "handler")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    #[mmstats(counter)]
    waits: u64,
}
