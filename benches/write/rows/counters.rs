//! Counters: the same one repeatedly, and several in turn.

use std::hint::black_box;
use std::sync::atomic::Ordering;

use crate::row::{Bound, Row, Twins, row, twins};
use crate::setup::{FIELDS, Model};

/// Peers whose counters can be shared by threads.
const ATOMIC: &[&str] = &[
    "prometheus",
    "prometheus-client",
    "metrics, handle",
    "metriken",
];

/// One increment of each of the eight counters.
#[inline(always)]
fn rotate(model: &Model) {
    model.a.inc();
    model.b.inc();
    model.c.inc();
    model.d.inc();
    model.e.inc();
    model.f.inc();
    model.g.inc();
    model.h.inc();
}

pub fn rows() -> Vec<Row> {
    let mut rows = Twins::rows(ours());
    rows.extend(unrolled());
    rows.extend(Twins::rows(peers()));
    rows.push(row!("metrics, macro", |_s, _i| metrics::counter!(
        "peer_macro"
    )
    .increment(1)));
    rows
}

fn ours() -> Vec<Twins> {
    vec![
        twins!("plain u64 += 1", |s, _i| black_box(&mut s.plain), |cell| {
            cell.set(cell.get() + 1)
        }),
        twins!(
            "Counter::inc",
            |s, _i| (*black_box(&s.stats.a), black_box(s.fields.counters)),
            |counter| counter.inc()
        )
        .bound(Bound::Times(1.15, &["plain u64 += 1"]))
        .bound(Bound::Faster(4.0, ATOMIC))
        .bound(Bound::Faster(15.0, ATOMIC))
        .bound(Bound::Faster(5.0, &["hornet"])),
    ]
}

fn unrolled() -> Vec<Row> {
    vec![
        row!("fetch_add", |s, _i| black_box(&s.atomic)
            .fetch_add(1, Ordering::Relaxed)),
        row!("plain, 8 cells in turn", |s, _i| {
            // Atomics only so that the compiler does not vectorize the eight stores.
            for cell in black_box(&s.cells) {
                cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
        })
        .per_step(8),
        row!("Counter, 8 fields in turn", |s, _i| rotate(black_box(
            &s.stats
        )))
        .per_step(8)
        .bound(Bound::Times(1.15, &["plain, 8 cells in turn"])),
        row!("plain, 8 cells by index", |s, i| {
            let cell = &black_box(&s.cells)[i as usize % FIELDS];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }),
        row!("Counter, 8 fields by index", |s, i| {
            let model = black_box(&*s.stats);
            match i % 8 {
                0 => model.a.inc(),
                1 => model.b.inc(),
                2 => model.c.inc(),
                3 => model.d.inc(),
                4 => model.e.inc(),
                5 => model.f.inc(),
                6 => model.g.inc(),
                _ => model.h.inc(),
            }
        })
        .bound(Bound::Times(1.15, &["plain, 8 cells by index"])),
    ]
}

fn peers() -> Vec<Twins> {
    vec![
        twins!(
            "prometheus",
            |s, _i| black_box(&mut s.peers.counters.prometheus),
            |counter| counter.inc()
        ),
        twins!(
            "prometheus-client",
            |s, _i| black_box(&mut s.peers.counters.prometheus_client),
            |counter| counter.inc()
        ),
        twins!(
            "metrics, handle",
            |s, _i| black_box(&mut s.peers.counters.metrics),
            |counter| counter.increment(1)
        ),
        twins!(
            "metriken",
            |s, _i| black_box(&mut s.peers.counters.metriken),
            |counter| counter.increment()
        ),
        twins!(
            "opentelemetry",
            |s, _i| black_box(&mut s.peers.counters.opentelemetry),
            |counter| counter.add(1, &[])
        ),
        twins!(
            "hornet",
            |s, _i| black_box(&mut s.peers.counters.hornet),
            |counter| counter.up().expect("a mapping")
        ),
    ]
}
