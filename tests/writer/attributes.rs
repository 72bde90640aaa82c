//! Whatever the derive accepts, `create` accepts: every attribute with every kind that takes it.

use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmStats,
    MovingAverage, Percentile, SamplingCounter, Summary, Text, Timer, UpDown,
};

use super::models::{Db, Handler, Pool};

/// Asserts that the model can be created, as a whole file and as a group.
fn created<T: MmStats>(what: &str) {
    let root = tempfile::tempdir().unwrap();
    if let Err(error) = T::builder().path(root.path()).create() {
        panic!("{what}: {error}");
    }
    if let Err(error) = T::groups(["a", "b.c"]).path(root.path()).create() {
        panic!("{what} as groups: {error}");
    }
}

/// Creates a model with one field for each line of attributes.
macro_rules! created {
    ($ty:ty: $([$($attributes:tt)*])*) => {
        $({
            #[derive(MmStats)]
            struct Model {
                /// Some help.
                #[mmstats($($attributes)*)]
                field: $ty,
            }
            created::<Model>(stringify!($ty: $($attributes)*));
        })*
    };
}

/// The same, with the minimum and the maximum number of buffers.
macro_rules! buffered {
    ($ty:ty: $([$($attributes:tt)*])*) => {
        $(created! { $ty:
            [$($attributes)*]
            [$($attributes)* buffers = 2, label = "a/b:c d"]
            [$($attributes)* buffers = 64, label = "a.b"]
        })*
    };
}

macro_rules! windowed {
    ($ty:ty: $([$($attributes:tt)*])*) => {
        $(buffered! { $ty:
            [$($attributes)*]
            [$($attributes)* window = "1s",]
            [$($attributes)* window = "24h",]
        })*
    };
}

macro_rules! distribution {
    ($ty:ty: $([$($attributes:tt)*])*) => {
        $(windowed! { $ty:
            [$($attributes)*]
            [$($attributes)* digits = 1,]
            [$($attributes)* digits = 2,]
            [$($attributes)* digits = 3,]
            [$($attributes)* digits = 4,]
            [$($attributes)* digits = 5,]
        })*
    };
}

#[test]
fn timers_and_percentiles() {
    distribution! { Timer: [] }
    distribution! { Percentile: [unit = "bytes",] }
    created! { Percentile: [buffers = 4] [buffers = 8] [buffers = 16] [buffers = 32] }
}

#[test]
fn numbers() {
    created! { Counter: [] [unit = "bytes"] [window = "1000ms"] [window = "60m", unit = "ß"] [label = "a.b"] }
    created! { UpDown: [] [unit = "bytes"] [label = "Ä.b"] }
    created! { Flag: [] [label = "ready"] }
    created! { Gauge<f64>: [] [merge = "sum"] [merge = "max", unit = "C"] [merge = "min"] [merge = "mean"] [merge = "latest"] }
    created! { Gauge<u8>: [] [merge = "sum"] [merge = "max", unit = "C"] [merge = "min"] [merge = "mean"] [merge = "latest"] }
    created! { Constant<u32>: [value = 1] [value = 2, unit = "bytes", label = "a.b"] }
    created! { Constant<String>: [value = "a\0b\n".repeat(1000)] [value = String::new()] }
    created! { Constant<&'static str>: [value = ""] }
    created! { Constant<bool>: [value = true] }
}

#[test]
fn slots() {
    windowed! { Summary: [] [unit = "bytes",] }
    buffered! { Average: [] [unit = "bytes",] }
    buffered! { MovingAverage<1>: [] [unit = "bytes",] }
    buffered! { MovingAverage<4096>: [] }
    buffered! { SamplingCounter<1>: [] [unit = "bytes",] }
    buffered! { SamplingCounter<4294967295>: [] }
    buffered! { Text<1>: [] }
    buffered! { Text<4096>: [] }
    buffered! { Compound<Pool>: [] }
}

#[test]
fn others() {
    created! { History<1>: [] [label = "a.b"] }
    created! { History<16777216>: [] }
    created! { Errors: [] [label = "a.b"] }
    created! { Db: [] [label = "a.b"] }
    created! { Groups<Handler>: [] [prefix = "p"] [prefix = "p."] [prefix = "a.b_", label = "x"] }
    created! { Groups<Groups1>: [prefix = "p"] }
}

#[derive(MmStats)]
struct Groups1 {
    #[mmstats(prefix = "q.")]
    inner: Groups<Handler>,
}

#[derive(MmStats)]
#[mmstats(export = "web_tier")]
struct Exported {
    n: Counter,
}

#[derive(MmStats)]
#[mmstats(export = "")]
struct Bare {
    n: Counter,
}

#[test]
fn readers_are_told_what_exporters_put_in_front_of_names() {
    let root = tempfile::tempdir().unwrap();
    let _exported = Exported::builder().path(root.path()).create().unwrap();
    let _bare = Bare::builder().path(root.path()).create().unwrap();
    let _groups = Db::groups(["a"]).path(root.path()).create().unwrap();
    let writer = mmstats::Writer::builder("by-hand")
        .export("hand")
        .path(root.path());
    let writer = writer.create().unwrap();
    writer.counter("n").add().unwrap();
    let snapshot = super::models::snapshot(&root);
    let exports: Vec<_> = (snapshot.models().iter())
        .map(|model| (model.name(), model.export()))
        .collect();
    assert_eq!(
        exports,
        [
            ("Bare", ""),
            ("Db", "Db"),
            ("Exported", "web_tier"),
            ("by-hand", "hand")
        ]
    );
    let long = "x".repeat(4097);
    let refused = mmstats::Writer::builder("long")
        .export(long)
        .anonymous()
        .create();
    assert!(refused.is_err());
}
