//! The bytes are two versions of one stats file; the second is written over the first between the
//! snapshots of one reader.
//!
//! ```text
//! | length of the first: u32 | how: u32 | first | second |
//! ```
//!
//! Bytes that begin as a stats file are both versions.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mmstats::format::header::MAGIC;
use mmstats_fuzz::{Random, Roots, WAYS, assert_in_proportion, examine, measured, mutate};

const HEAD: usize = 8;

fn parts(data: &[u8]) -> (u32, &[u8], &[u8]) {
    if data.starts_with(&MAGIC) || data.len() < HEAD {
        return (0, data, data);
    }
    let word = |at| u32::from_le_bytes(data[at..at + 4].try_into().expect("4 bytes"));
    let rest = &data[HEAD..];
    let (first, second) = rest.split_at((word(0) as usize).min(rest.len()));
    (word(4), first, second)
}

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
                        // In place: what is longer stays behind the end until it is cut.
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
        // What the versions cost adds up at worst: exchanged in place they are one file.
        assert_in_proportion(peak, 2 * most);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    let mut random = Random::new(seed);
    let (mut how, first, second) = parts(&data[..size]);
    let (mut first, mut second) = (first.to_vec(), second.to_vec());
    if random.one_in(4) {
        how = random.below(8) as u32;
    }
    if random.one_in(8) {
        second.clone_from(&first);
    }
    let room = max.saturating_sub(HEAD) / 2;
    let part = if random.one_in(3) {
        &mut first
    } else {
        &mut second
    };
    let len = part.len().min(room);
    part.resize(room, 0);
    let len = mutate(part, len, room, &mut random, fuzzer_mutate);
    part.truncate(len);
    for part in [&mut first, &mut second] {
        part.truncate(room);
    }
    if max < HEAD {
        return size;
    }
    // A first length that is never the magic.
    let mut out = (first.len() as u32).to_le_bytes().to_vec();
    out.extend(how.to_le_bytes());
    out.extend(first);
    out.extend(second);
    data[..out.len()].copy_from_slice(&out);
    out.len()
});
