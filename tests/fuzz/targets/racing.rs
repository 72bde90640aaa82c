//! The bytes are two versions of one stats file. A thread overwrites one with the other, cuts the file and lets it
//! grow again, while it is read in both ways: the SIGBUS guard keeps the reader alive.
//!
//! What a reader sees depends on timing, so a crash may not occur again with the same bytes; in that case run the
//! target some thousand times (`-runs=…`) on the file it has left.

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
        // Written one after the other they may occupy more than each alone.
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
        // When the file no longer changes, the reader reads its contents again.
        file.write(first);
        examine(&reader.snapshot().expect("a root that is there"));
        assert_in_proportion(peak, 2 * most);
    }
});

/// Changes the whole file, and changes it back. Allocates nothing.
fn change(file: &Stats, how: u32, first: &[u8], second: &[u8]) {
    for version in [second, first] {
        match how % 4 {
            // In place.
            0 => {}
            // Emptied, and grown again.
            1 => file.set_len(0),
            // Cut in the middle of the values.
            2 => file.set_len(version.len() as u64 / 2),
            // Only the length: the part that was cut is zeros when it is back.
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
