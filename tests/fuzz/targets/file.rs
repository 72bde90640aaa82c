//! The bytes are one stats file, read in both ways, twice by one reader.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mmstats_fuzz::{Random, Roots, WAYS, assert_in_proportion, examine, measured, mutate};

fuzz_target!(|data: &[u8]| {
    let roots = Roots::get();
    for way in WAYS {
        let file = roots.file(way, data);
        let blocks = file.blocks();
        let mut last = None;
        let peak = measured(|| {
            let mut reader = roots.reader(way);
            for _ in 0..2 {
                // Only one at a time, like a reader in a loop.
                drop(last.take());
                last = Some(reader.snapshot().expect("a root that is there"));
            }
        });
        assert_in_proportion(peak, blocks);
        // Reading occupies no space either.
        assert_eq!(file.blocks(), blocks);
        // Not measured: what values expose is computed only on request.
        examine(&last.expect("two snapshots"));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate(data, size, max, &mut Random::new(seed), fuzzer_mutate)
});
