//! The bytes are two versions of one stats file. A thread writes one over the other, cuts the file and
//! lets it grow again, while it is read both ways: the SIGBUS guard keeps the reader alive.
//!
//! What a reader sees is a matter of luck, so a crash may not come again from the same bytes; run the
//! target on the file it has left some thousand times (`-runs=…`) then.

#![no_main]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mmstats_fuzz::versions::{mutate_parts, parts};
use mmstats_fuzz::{Roots, Stats, WAYS, assert_in_proportion, examine, measured};

/// Snapshots for each way, on one reader.
const SNAPSHOTS: usize = 4;

fuzz_target!(|data: &[u8]| {
    mmstats::reader::guard_sigbus().expect("install the guard");
    let (how, first, second) = parts(data);
    let roots = Roots::get();
    for way in WAYS {
        let file = roots.file(way, first);
        let mut most = file.blocks();
        // One after the other they may take more than each alone.
        file.write(second);
        most += file.blocks();
        file.write(first);
        let mut reader = roots.reader(way);
        let (begin, stop) = (Barrier::new(2), AtomicBool::new(false));
        let peak = thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                while !stop.load(Ordering::Relaxed) {
                    change(&file, how, first, second);
                }
            });
            begin.wait();
            let peak = measured(|| {
                for _ in 0..SNAPSHOTS {
                    examine(&reader.snapshot().expect("a root that is there"));
                }
            });
            stop.store(true, Ordering::Relaxed);
            peak
        });
        // At rest again, the reader finds its way back to what is there.
        file.write(first);
        examine(&reader.snapshot().expect("a root that is there"));
        assert_in_proportion(peak, 2 * most);
    }
});

/// Changes all of the file, and back. Allocates nothing.
fn change(file: &Stats, how: u32, first: &[u8], second: &[u8]) {
    for version in [second, first] {
        match how % 4 {
            // In place.
            0 => {}
            // Emptied, and grown again.
            1 => file.set_len(0),
            // Cut in the middle of the values.
            2 => file.set_len(version.len() as u64 / 2),
            // Only the length: what was cut is zeros when it is back.
            _ => {
                file.set_len(0);
                file.set_len(version.len() as u64);
            }
        }
        file.write(version);
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate_parts(data, size, max, seed, fuzzer_mutate)
});
