//! Models that have every kind of metric, and values for them.

use std::time::Duration;

use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmStats, MmValue,
    MovingAverage, Percentile, SamplingCounter, Summary, Text, Timer, UpDown,
};

use super::compare::Random;

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "web")]
pub struct Web {
    #[mmstats(unit = "requests", window = "24h")]
    pub requests: Counter,
    pub in_flight: UpDown,
    #[mmstats(merge = "mean")]
    pub load: Gauge<f64>,
    #[mmstats(merge = "max")]
    pub peak: Gauge<i32>,
    pub queue: Gauge<u64>,
    pub ready: Flag,
    pub release: Text<40>,
    #[mmstats(value = 17)]
    pub limit: Constant<u64>,
    pub response_time: Timer,
    #[mmstats(digits = 3)]
    pub size: Percentile,
    pub pool: Compound<Pool>,
    #[mmstats(window = "23h")]
    pub tasks: Summary,
    #[mmstats(window = "24h")]
    pub windowed_size: Percentile,
    #[mmstats(window = "24h", digits = 1)]
    pub windowed_time: Timer,
    #[mmstats(window = "24h")]
    pub windowed_ratio: Percentile<f64>,
    pub ratio: Percentile<f64>,
    pub no_tasks: Summary,
    pub mean: Average,
    pub recent: MovingAverage<7>,
    pub hits: SamplingCounter<5>,
    pub times: History<30>,
    pub no_times: History,
    pub errors: Errors,
    #[mmstats(prefix = "h.")]
    pub handlers: Groups<Handler>,
}

#[derive(MmStats)]
pub struct Handler {
    pub ok: Counter,
    pub time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
pub struct Pool {
    pub open: u32,
    #[mmstats(merge = "max")]
    pub most: u32,
    pub waits: [u64; 2],
    #[mmstats(merge = "mean")]
    pub share: f64,
}

/// The next release of the same model: other digits, another kind, another struct.
#[derive(MmStats)]
#[mmstats(name = "web")]
pub struct NextWeb {
    pub requests: Counter,
    pub peak: Counter,
    pub size: Percentile,
    pub pool: Compound<NextPool>,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
pub struct NextPool {
    pub waits: [u64; 3],
    pub open: u64,
    #[mmstats(merge = "min")]
    pub most: u64,
}

/// Writes values that are derived from a seed.
pub fn write(web: &Web, seed: u64) {
    let mut random = Random(seed);
    web.requests.add(random.next() % 1_000);
    web.in_flight.add(random.next() as i64 % 1_000);
    web.load.set(random.next() as f64 / 7.0);
    web.peak.set(random.next() as i32);
    web.queue.set(random.next());
    web.ready.set(seed % 2 == 1);
    web.release.set(&format!(
        "Ausgabe {seed} \u{202e} für\n{}",
        "ß".repeat(seed as usize)
    ));
    // Values of all lengths; most files have fewer lengths, because buckets take the most time to read.
    let step = if seed == 1 { 1 } else { 8 };
    for _ in 0..500 + seed {
        let value = random.next() >> (random.next() % 64 / step * step);
        web.size.record(value);
        web.response_time.record(Duration::from_nanos(value >> 8));
        let value = 1e9 + (value >> 20) as f64 / 3.0;
        web.tasks.record(value);
        web.windowed_size.record(value as u64);
        web.windowed_ratio.record(value - 1.5e9);
        web.ratio
            .record_with(1.0 / value, format!("trace {}", random.next() % 100));
        web.windowed_time.record(Duration::from_nanos(value as u64));
        web.mean.record(value);
        web.recent.record(-value);
        web.hits.inc();
        // One in four has a context that occurs again.
        match random.next() % 4 {
            0 => web
                .times
                .push_with(value, format!("context {}", random.next() % 5)),
            _ => web.times.push(value),
        }
    }
    for error in ["x", "", "300"].map(|text| text.parse::<u8>().unwrap_err()) {
        (0..=seed % 3).for_each(|_| web.errors.record(&error));
    }
    web.errors.record(&std::io::Error::other("line\n\u{202e}"));
    web.errors
        .note(&format!("note {}", seed % 2), format!("of {seed}"));
    // The later error, without a context, does not get the context of the earlier one.
    let context = if seed % 2 == 1 { "given" } else { "" };
    web.errors.note("now and then", context);
    for _ in 0..3 {
        web.pool.update(|pool| {
            pool.open += 3;
            pool.most = pool.most.max(random.next() as u32);
            // So small that a few of them can be added.
            pool.waits[1] = random.next() >> 8;
            pool.share = 1.0 / seed as f64;
        });
    }
    for name in ["index", "login", "größe.v2"] {
        let handler = web.handlers.group(name);
        handler.ok.add(seed);
        handler.time.record(Duration::from_micros(seed));
    }
}
