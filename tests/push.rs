//! Pushers as programs: what a receiver gets of the files that this process writes, and what pushers do when it
//! refuses.

#[path = "push/answers.rs"]
mod answers;
#[path = "push/away.rs"]
mod away;
#[path = "push/checks.rs"]
mod checks;
#[allow(dead_code, reason = "not all of it is wanted here")]
#[path = "writer/child.rs"]
mod child;
#[path = "push/engines.rs"]
mod engines;
#[cfg(feature = "push-grpc")]
#[path = "push/grpc.rs"]
mod grpc;
#[path = "push/processes.rs"]
mod processes;
#[path = "push/pusher.rs"]
mod pusher;
#[path = "push/python.rs"]
mod python;
#[path = "push/receiver.rs"]
mod receiver;
#[path = "push/values.rs"]
mod values;

use mmstats::{
    Compound, Counter, Errors, Flag, Gauge, Groups, MmLabels, MmStats, MmValue, Percentile,
    Summary, Text, Timer, UpDown,
};

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    /// Requests received.
    requests: Counter,
    in_flight: UpDown,
    #[mmstats(unit = "celsius")]
    temperature: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    ratio: Percentile<f64>,
    #[mmstats(label = "timers.response")]
    response_time: Timer,
    #[mmstats(unit = "seconds")]
    tasks: Summary,
    balance: Summary,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    errors: Errors,
    #[mmstats(group_label = "handler")]
    handlers: Groups<Handler>,
    #[mmstats(prefix = "route")]
    routes: Groups<Handler, Route>,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    handler: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    #[mmstats(counter)]
    waits: u64,
}
