//! Sixteen fields of each kind, for the rows that take them in turns.

use std::path::Path;

use mmstats::{
    Compound, Counter, Flag, Gauge, MmStats, Percentile, Stats, Summary, Text, Timer, UpDown,
};

use super::setup::{Line, MANY};

/// Declares all fields, in one file. Those of one kind are a model of their own in it.
macro_rules! fields {
    ($($field:ident: $model:ident of $kind:ty,)*) => {
        $(
            #[derive(MmStats)]
            #[repr(C)]
            struct $model {
                a: $kind, b: $kind, c: $kind, d: $kind, e: $kind, f: $kind, g: $kind, h: $kind,
                i: $kind, j: $kind, k: $kind, l: $kind, m: $kind, n: $kind, o: $kind, p: $kind,
            }

            impl $model {
                /// Returns the fields as an array, like those of the peers and plain memory: references to them
                /// would cost one more load in each step.
                fn all(&self) -> &[$kind; MANY] {
                    // SAFETY: with `repr(C)`, it has the layout of an array of its sixteen fields.
                    unsafe { &*std::ptr::from_ref(self).cast() }
                }
            }
        )*

        #[derive(MmStats)]
        #[mmstats(name = "bench-write-fields")]
        struct All {
            $($field: $model,)*
        }

        /// Sixteen of each kind.
        pub struct Fields {
            $(pub $field: &'static [$kind; MANY],)*
        }

        impl Fields {
            /// Creates them in a file under `root`, which lives as long as the process, so they are `'static`.
            pub fn new(root: &Path) -> Fields {
                let stats = All::builder().path(root).create().expect("a second file");
                let stats: &'static Stats<All> = Box::leak(Box::new(stats));
                Fields {
                    $($field: stats.$field.all(),)*
                }
            }
        }
    };
}

fields! {
    counters: Counters of Counter,
    ups: UpDowns of UpDown,
    levels: Gauges of Gauge<f64>,
    flags: Flags of Flag,
    texts: Texts of Text<32>,
    compounds: Compounds of Compound<Line>,
    sizes: Percentiles of Percentile,
    ratios: FloatPercentiles of Percentile<f64>,
    summaries: Summaries of Summary,
    times: Timers of Timer,
}
