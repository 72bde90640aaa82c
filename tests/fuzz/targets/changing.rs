//! The bytes are two versions of one stats file; the second is written over the first between the
//! snapshots of one reader.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mmstats_fuzz::versions::{mutate_parts, parts};
use mmstats_fuzz::{Roots, WAYS, assert_in_proportion, examine, measured};

fuzz_target!(|data: &[u8]| {
    let (how, first, second) = parts(data);
    let roots = Roots::get();
    for way in WAYS {
        let file = roots.file(way, first);
        let mut most = file.blocks();
        let mut reader = roots.reader(way);
        let peak = measured(|| {
            for (number, version) in [first, second, second, first].into_iter().enumerate() {
                if number > 0 {
                    match how % 4 {
                        // In place: bytes of a longer version stay behind the end until they are cut.
                        0 => file.write(version),
                        1 => file.set_len(0),
                        // Cut, and the rest of the old version stays.
                        2 => file.set_len(version.len() as u64),
                        _ => {}
                    }
                    if how & 4 == 0 || number > 1 {
                        file.write(version);
                    }
                }
                most = most.max(file.blocks());
                examine(&reader.snapshot().expect("a root that is there"));
            }
            drop(reader);
        });
        // In the worst case the costs of the versions add up: exchanged in place, they are one file.
        assert_in_proportion(peak, 2 * most);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate_parts(data, size, max, seed, fuzzer_mutate)
});
