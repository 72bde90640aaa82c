//! Levels: metrics that are set, and metrics that go up and down.

use std::hint::black_box;

use crate::row::{Bound, Row, Twins, twins};

/// Returns levels of 32 bits: without AVX-512, a processor takes longer to convert 64 bits to a float than to store it.
fn level(i: u64) -> f64 {
    f64::from(i as u32)
}

pub fn rows() -> Vec<Row> {
    let twins = [ours(), peers_up(), peers_set()];
    twins.into_iter().flat_map(Twins::rows).collect()
}

/// The bound of `UpDown` is relative to the plain counter.
fn ours() -> Vec<Twins> {
    vec![
        twins!(
            "UpDown::inc",
            |s, _i| (*black_box(&s.stats.up), black_box(s.fields.ups)),
            |up| up.inc()
        )
        .bound(Bound::Times(1.15, &["plain u64 += 1"])),
        twins!(
            "plain f64 = x",
            |s, i| black_box(&mut s.plain_levels),
            |cell| cell.set(level(i))
        ),
        twins!(
            "Gauge<f64>::set",
            |s, i| (*black_box(&s.stats.level), black_box(s.fields.levels)),
            |gauge| gauge.set(level(i))
        )
        .bound(Bound::Times(1.15, &["plain f64 = x"])),
        twins!(
            "plain bool = x",
            |s, i| black_box(&mut s.plain_flags),
            |cell| cell.set(i % 2 == 0)
        ),
        twins!(
            "Flag::set",
            |s, i| (*black_box(&s.stats.flag), black_box(s.fields.flags)),
            |flag| flag.set(i % 2 == 0)
        )
        .bound(Bound::Times(1.15, &["plain bool = x"])),
    ]
}

/// The peers of `UpDown`.
fn peers_up() -> Vec<Twins> {
    vec![
        twins!(
            "prometheus int gauge, inc",
            |s, _i| black_box(&mut s.peers.gauges.prometheus_int),
            |gauge| gauge.inc()
        ),
        twins!(
            "prometheus-client gauge, inc",
            |s, _i| black_box(&mut s.peers.gauges.prometheus_client_int),
            |gauge| gauge.inc()
        ),
        twins!(
            "metrics gauge, increment",
            |s, _i| black_box(&mut s.peers.gauges.metrics),
            |gauge| gauge.increment(1.0)
        ),
        twins!(
            "metriken gauge, increment",
            |s, _i| black_box(&mut s.peers.gauges.metriken),
            |gauge| gauge.increment()
        ),
        twins!(
            "opentelemetry up_down_counter",
            |s, _i| black_box(&mut s.peers.gauges.opentelemetry_up_down),
            |gauge| gauge.add(1, &[])
        ),
        twins!(
            "hornet gauge, inc",
            |s, _i| black_box(&mut s.peers.gauges.hornet),
            |gauge| gauge.inc(1.0).expect("a mapping")
        ),
    ]
}

/// The peers of `Gauge`, and of `Flag` as well, since none of them has flags.
fn peers_set() -> Vec<Twins> {
    vec![
        twins!(
            "prometheus gauge, set",
            |s, i| black_box(&mut s.peers.gauges.prometheus),
            |gauge| gauge.set(level(i))
        ),
        twins!(
            "prometheus-client gauge, set",
            |s, i| black_box(&mut s.peers.gauges.prometheus_client),
            |gauge| gauge.set(level(i))
        ),
        twins!(
            "metrics gauge, set",
            |s, i| black_box(&mut s.peers.gauges.metrics),
            |gauge| gauge.set(level(i))
        ),
        twins!(
            "metriken gauge, set",
            |s, i| black_box(&mut s.peers.gauges.metriken),
            |gauge| gauge.set(i as i64)
        ),
        twins!(
            "opentelemetry gauge, record",
            |s, i| black_box(&mut s.peers.gauges.opentelemetry),
            |gauge| gauge.record(level(i), &[])
        ),
        twins!(
            "hornet gauge, set",
            |s, i| black_box(&mut s.peers.gauges.hornet),
            |gauge| gauge.set(level(i)).expect("a mapping")
        ),
    ]
}
