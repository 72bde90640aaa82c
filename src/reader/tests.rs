//! Tests the reader with files made by hand: how values merge, and what hostile bytes may do.

mod copies;
mod damaged;
mod deltas;
mod extents;
mod generations;
mod hostile;
mod identity;
mod merging;
mod per;
mod racing;
mod retired;
mod windows;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::testing::*;
use super::*;
use crate::format::header::{COMMITTED, Owner, OwnerState};
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::Value;
use crate::metric::kind::code;
use crate::sys::process::liveness::Liveness;

fn u64_of(snapshot: &Snapshot, label: &str) -> Option<u64> {
    snapshot.get("m", label).and_then(Value::as_u64)
}

/// Runs a test with both ways of copying: mapped, and read.
fn both_ways(test: impl Fn(&Root)) {
    for shared in [false, true] {
        let root = Root::new();
        std::fs::create_dir(root.path().join("m")).unwrap();
        if shared {
            root.share();
        }
        test(&root);
    }
}

#[track_caller]
fn assert_no_errors(snapshot: &Snapshot) {
    assert_eq!(snapshot.errors(), []);
}
