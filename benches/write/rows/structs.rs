//! 64 bytes that belong together.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::row::{Bound, Row, row};

pub fn rows() -> Vec<Row> {
    vec![
        row!("10 plain stores", |s, i| {
            // What the publication of 64 bytes has to store: two marks and eight words.
            for cell in black_box(&s.ten) {
                cell.store(i, Ordering::Relaxed);
            }
        }),
        row!("Compound of 64 bytes, set", |s, _i| s
            .stats
            .compound
            .set(*black_box(&s.line)))
        .bound(Bound::Most(1.5))
        .bound(Bound::Faster(
            3.5,
            &["seqlock", "crossbeam AtomicCell", "triple_buffer"],
        )),
        row!("Compound of 64 bytes, update", |s, i| s
            .stats
            .compound
            .update(|line| line.words[0] += i)),
        row!("seqlock", |s, _i| *s.peers.seqlock.lock_write() =
            *black_box(&s.line)),
        row!("crossbeam AtomicCell", |s, _i| s
            .peers
            .cell
            .store(*black_box(&s.line))),
        row!("triple_buffer", |s, _i| s
            .peers
            .triple
            .0
            .write(*black_box(&s.line))),
        row!("arc-swap", |s, _i| s
            .peers
            .swap
            .store(Arc::new(*black_box(&s.line)))),
        row!("Mutex", |s, _i| *s.peers.mutex.lock().expect("no panic") =
            *black_box(&s.line)),
    ]
}
