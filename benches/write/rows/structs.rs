//! 64 bytes that belong together.

use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::row::{Bound, Row, Twins, twins};

pub fn rows() -> Vec<Row> {
    Twins::rows([
        twins!("10 plain stores", |s, i| black_box(&mut s.tens), |cells| {
            // What a publication of 64 bytes has to store: the begin mark, the end mark and eight words.
            for cell in cells.iter() {
                cell.store(i, Ordering::Relaxed);
            }
        }),
        twins!(
            "64 bytes copied by words",
            |s, _i| black_box(&mut s.tens),
            |cells| {
                // The cost of a value from memory by itself: eight words loaded and stored.
                for (cell, word) in cells.iter().zip(black_box(&s.line).words) {
                    cell.store(word, Ordering::Relaxed);
                }
            }
        ),
        twins!(
            "Compound of 64 bytes, set",
            |s, _i| (s.stats.compound, s.fields.compounds),
            |compound| compound.set(*black_box(&s.line))
        )
        .bound(Bound::Times(1.15, &["64 bytes copied by words"]))
        .bound_of_one(Bound::Most(1.5))
        .bound(Bound::Faster(
            3.5,
            &["seqlock", "crossbeam AtomicCell", "triple_buffer"],
        )),
        twins!("seqlock", |s, _i| s.peers.cells.seqlock, |cell| *cell
            .lock_write() =
            *black_box(&s.line)),
        twins!(
            "crossbeam AtomicCell",
            |s, _i| s.peers.cells.crossbeam,
            |cell| cell.store(*black_box(&s.line))
        ),
        twins!("triple_buffer", |s, _i| s.peers.cells.triple, |cell| cell
            .0
            .write(*black_box(&s.line))),
        twins!("arc-swap", |s, _i| s.peers.cells.swap, |cell| cell
            .store(Arc::new(*black_box(&s.line)))),
        twins!("Mutex", |s, _i| s.peers.cells.mutex, |cell| {
            *Mutex::lock(cell).expect("no panic") = *black_box(&s.line)
        }),
        twins!(
            "Compound of 64 bytes, update",
            |s, i| (s.stats.compound, s.fields.compounds),
            |compound| compound.update(|line| line.words[0] += i)
        ),
        twins!("seqlock, update", |s, i| s.peers.cells.seqlock, |cell| {
            cell.lock_write().words[0] += i
        }),
        twins!(
            "crossbeam AtomicCell, update",
            |s, i| s.peers.cells.crossbeam,
            |cell| {
                let mut line = cell.load();
                line.words[0] += i;
                cell.store(line);
            }
        ),
        twins!("Mutex, update", |s, i| s.peers.cells.mutex, |cell| {
            Mutex::lock(cell).expect("no panic").words[0] += i
        }),
    ])
}
