//! Counters: the same one again and again, and in turns.

use std::hint::black_box;
use std::sync::atomic::Ordering;

use crate::row::{Bound, Row, row};
use crate::setup::{FIELDS, MANY, Model};

/// Peers whose counters can be shared by threads.
const ATOMIC: &[&str] = &[
    "prometheus",
    "prometheus-client",
    "metrics, handle",
    "metriken",
];
const ATOMIC_16: &[&str] = &[
    "prometheus, 16",
    "prometheus-client, 16",
    "metrics, handle, 16",
    "metriken, 16",
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
    let mut rows = ours();
    rows.extend(peers());
    rows.extend(peers_in_turn());
    rows
}

fn ours() -> Vec<Row> {
    vec![
        row!("plain u64 += 1", |s, _i| {
            let cell = black_box(&s.plain);
            cell.set(cell.get() + 1);
        }),
        row!("fetch_add", |s, _i| black_box(&s.atomic)
            .fetch_add(1, Ordering::Relaxed)),
        row!("Counter::inc", |s, _i| black_box(&s.stats.a).inc())
            .bound(Bound::Times(1.15, &["plain u64 += 1"]))
            .bound(Bound::Faster(4.0, ATOMIC))
            .bound(Bound::Faster(15.0, ATOMIC))
            .bound(Bound::Faster(5.0, &["hornet"])),
        row!("plain, 8 cells in turn", |s, _i| {
            // Atomics only so that the eight are not made one vector.
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
        row!("plain, 16", |s, i| {
            let cell = &black_box(&s.many)[i as usize % MANY];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }),
        row!("Counter, 16", |s, i| black_box(&s.counters)
            [i as usize % MANY]
            .inc())
        .bound(Bound::Times(1.15, &["plain, 16"]))
        .bound(Bound::Faster(4.0, ATOMIC_16))
        .bound(Bound::Faster(15.0, ATOMIC_16))
        .bound(Bound::Faster(5.0, &["hornet, 16"])),
    ]
}

fn peers() -> Vec<Row> {
    vec![
        row!("prometheus", |s, _i| black_box(&s.peers.prometheus[0])
            .inc()),
        row!("prometheus-client", |s, _i| black_box(
            &s.peers.prometheus_client[0]
        )
        .inc()),
        row!("metrics, handle", |s, _i| black_box(&s.peers.metrics[0])
            .increment(1)),
        row!("metrics, macro", |_s, _i| metrics::counter!("peer_macro")
            .increment(1)),
        row!("metriken", |s, _i| black_box(&s.peers.metriken[0])
            .increment()),
        row!("opentelemetry", |s, _i| black_box(
            &s.peers.opentelemetry[0]
        )
        .add(1, &[])),
        row!("hornet", |s, _i| black_box(&mut s.peers.hornet[0])
            .up()
            .expect("a mapping")),
    ]
}

fn peers_in_turn() -> Vec<Row> {
    vec![
        row!("prometheus, 16", |s, i| black_box(&s.peers.prometheus)
            [i as usize % MANY]
            .inc()),
        row!("prometheus-client, 16", |s, i| black_box(
            &s.peers.prometheus_client
        )[i as usize % MANY]
            .inc()),
        row!("metrics, handle, 16", |s, i| black_box(&s.peers.metrics)
            [i as usize % MANY]
            .increment(1)),
        row!("metriken, 16", |s, i| black_box(&s.peers.metriken)
            [i as usize % MANY]
            .increment()),
        row!("opentelemetry, 16", |s, i| black_box(
            &s.peers.opentelemetry
        )[i as usize % MANY]
            .add(1, &[])),
        row!("hornet, 16", |s, i| black_box(&mut s.peers.hornet)
            [i as usize % MANY]
            .up()
            .expect("a mapping")),
    ]
}
