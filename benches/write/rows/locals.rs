//! Writes through the thread's own file, and through groups.

use std::hint::black_box;

use mmstats::{Counter, MmStats};

use crate::row::{Bound, Row, row};
use crate::setup::{Model, PAIRS, PATH, ROUTE};

/// Sixteen models of one thread.
mod sixteen {
    use mmstats::{Counter, MmStats};
    macro_rules! models {
        ($($name:ident)*) => {
            $(#[derive(MmStats)] pub struct $name { n: Counter })*
            /// One increment.
            #[inline(always)]
            pub fn one() {
                M0::local(|s| s.n.inc());
            }
            /// One increment in each of the sixteen.
            #[inline(always)]
            pub fn each() {
                $($name::local(|s| s.n.inc());)*
            }
        };
    }
    models!(M0 M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15);
}

/// A model without groups.
#[derive(MmStats)]
#[mmstats(name = "bench-write-local")]
struct Local {
    a: Counter,
}

pub fn rows() -> Vec<Row> {
    vec![
        row!("local Counter::inc", |_s, _i| {
            black_box(());
            Local::local(|model| model.a.inc());
        })
        .bound(Bound::Most(0.5))
        .bound(Bound::Times(2.2, &["plain u64 += 1"])),
        // The groups of this model can be removed, so `local` checks whether one was lent.
        row!("local Counter::inc, with groups", |_s, _i| {
            black_box(());
            Model::local(|model| model.a.inc());
        })
        .bound(Bound::Most(1.5)),
        row!("1 model, local", |_s, _i| {
            for _ in 0..16 {
                black_box(());
                sixteen::one();
            }
        })
        .per_step(16),
        row!("16 models, local", |_s, _i| {
            black_box(());
            sixteen::each()
        })
        .per_step(16)
        .bound(Bound::Times(1.5, &["1 model, local"])),
        row!("group(known)", |s, _i| s
            .stats
            .handlers
            .group(black_box("index"))
            .requests
            .inc())
        .bound(Bound::Most(25.0)),
        row!("group(known), by a struct of labels", |s, _i| s
            .stats
            .routes
            .group(black_box(&ROUTE))
            .requests
            .inc())
        .bound(Bound::Most(25.0)),
        row!("group_ref(known), by borrowed labels", |s, _i| s
            .stats
            .paths
            .group_ref(black_box(&PATH))
            .requests
            .inc())
        .bound(Bound::Most(25.0)),
        row!("group_with(known), two pairs", |s, _i| s
            .stats
            .handlers
            // (A thin pointer: black_box of a slice would store it in two halves and load it as a whole.)
            .group_with(black_box::<&[_; 2]>(&PAIRS))
            .requests
            .inc())
        .bound(Bound::Most(25.0)),
    ]
}
