//! An input with two versions of one stats file:
//!
//! ```text
//! | length of the first: u32 | how: u32 | first | second |
//! ```
//!
//! Bytes that begin like a stats file are both versions.

use mmstats::format::header::MAGIC;

use crate::{Random, mutate};

const HEAD: usize = 8;

/// Returns `how` and both versions.
pub fn parts(data: &[u8]) -> (u32, &[u8], &[u8]) {
    if data.starts_with(&MAGIC) || data.len() < HEAD {
        return (0, data, data);
    }
    let word = |at| u32::from_le_bytes(data[at..at + 4].try_into().expect("4 bytes"));
    let rest = &data[HEAD..];
    let (first, second) = rest.split_at((word(0) as usize).min(rest.len()));
    (word(4), first, second)
}

/// Changes one of the versions, and sometimes `how`.
pub fn mutate_parts(
    data: &mut [u8],
    size: usize,
    max: usize,
    seed: u32,
    plain: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
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
    let len = mutate(part, len, room, &mut random, plain);
    part.truncate(len);
    for part in [&mut first, &mut second] {
        part.truncate(room);
    }
    if max < HEAD {
        return size;
    }
    // A first length that never equals the magic.
    let mut out = (first.len() as u32).to_le_bytes().to_vec();
    out.extend(how.to_le_bytes());
    out.extend(first);
    out.extend(second);
    data[..out.len()].copy_from_slice(&out);
    out.len()
}
