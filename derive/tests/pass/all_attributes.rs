//! Every kind of field and every attribute, in a crate that forbids unsafe code and denies warnings.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]

use mmstats::{
    Compound, Constant, Counter, Flag, Gauge, Groups, MmStats, MmValue, Percentile,
    Summary, Text, Timer, UpDown,
};

/// Statistics of
/// the web   tier.
///
/// Of which this is not the first paragraph.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
pub struct Web {
    /// Requests received.
    #[mmstats(unit = "requests")]
    pub requests: Counter,
    /** Requests
     * that are being
     * answered.
     *
     * More of it.
     */
    in_flight: UpDown,
    #[mmstats(merge = "max", unit = "°C")]
    temperature: Gauge<f64>,
    #[mmstats(merge = "min")]
    #[mmstats(label = "level.least")]
    least: Gauge<i64>,
    #[mmstats(merge = "mean")]
    mean: Gauge<f64>,
    #[mmstats(merge = "sum")]
    sum: Gauge<u8>,
    #[mmstats(merge = "latest")]
    latest: Gauge<u64>,
    #[mmstats(window = "90m", unit = "seconds", buffers = 4)]
    load: Summary,
    #[mmstats(unit = "bytes", digits = 3, buffers = 4, window = "1500ms")]
    body_size: Percentile,
    #[mmstats(label = "timers.response", digits = 1, buffers = 0x40)]
    response_time: Timer,
    #[mmstats(buffers = 16)]
    pool: Compound<Pool>,
    #[mmstats(buffers = 2)]
    release: Text<32>,
    #[doc = include_str!("all_attributes.rs")]
    #[doc(alias = "up")]
    ready: Flag,
    #[mmstats(value = if cfg!(unix) { Self::LIMIT } else { 0 }, unit = "bytes")]
    limit: Constant<u64>,
    #[mmstats(value = String::from("x86-64"))]
    machine: Constant<String>,
    #[mmstats(value = "1.4.2")]
    version: Constant<&'static str>,
    db: Db,
    #[mmstats(prefix = "handlers.")]
    handlers: Groups<Handler>,
}

impl Web {
    const LIMIT: u64 = 512;
}

#[derive(MmStats)]
struct Db {
    queries: Counter,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_time: Timer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    #[mmstats(merge = "max")]
    idle: u32,
    waits: u64,
}

fn main() -> Result<(), mmstats::Error> {
    assert_eq!(<Web as MmStats>::NAME, "my-app");
    assert_eq!(<Web as MmStats>::HELP, "Statistics of the web tier.");
    assert_eq!(<Db as MmStats>::NAME, "Db");
    assert_eq!(<Db as MmStats>::HELP, "");
    let web = Web::builder().anonymous().create()?;
    web.requests.inc();
    assert_eq!(web.requests.get(), 1);
    web.temperature.set(36.6);
    web.pool.update(|pool| pool.open += 1);
    assert_eq!(
        web.pool.get(),
        Pool {
            open: 1,
            idle: 0,
            waits: 0
        }
    );
    web.db.queries.add(2);
    web.handlers.group("index").response_ok.inc();
    assert_eq!(*web.limit.get(), 512);
    assert_eq!(*web.version.get(), "1.4.2");
    Ok(())
}
