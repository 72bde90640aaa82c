//! Files with bytes that no writer writes: all readers use the same parts of them, and refuse the same files.

use std::fs;

use super::compare::{Random, assert_same, manifest};
use super::golden::names;

/// No values have such moments, but a file may: every reader copes with them.
#[test]
fn moments_that_cannot_be_are_read_alike() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("odd-sequence");
    fs::create_dir(&directory).unwrap();
    let golden = fs::read(manifest("tests/golden/odd-sequence.mmstats")).unwrap();
    // The values 5 and 7: count, total and squares.
    let moments: Vec<u8> = [2u64, 12, 0, 74, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let at = golden
        .windows(moments.len())
        .position(|window| window == moments)
        .unwrap();
    let most = u64::MAX;
    let cases = [
        [2, most, most, 74, 0, !5, 7, 7],
        [3, most, most, 0, 0, !5, 7, 7],
        [2, 12, 1, most, most - 1, !5, 7, 7],
        [2, 12, 0, most, most, !5, 7, 7],
        [2, 12, 0, 0, 0, !5, 7, 7],
        [most, most, most, most, most, !5, 7, 7],
        [most, 12, 0, 74, 0, !5, 7, 7],
        [1, 5, 0, 25, 0, !9, 3, 5],
        [0, 5, 0, 25, 0, !5, 5, 5],
    ];
    for (number, case) in cases.iter().enumerate() {
        let mut bytes = another(&golden, number);
        for (place, word) in (at..).step_by(8).zip(case) {
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        fs::write(directory.join(format!("mmstats-1-{number}")), bytes).unwrap();
    }
    assert_same("moments", &[root.path()]);
}

/// Makes the file of another thread, because a copy would not be read. (The tid is at byte 60 of the header.)
fn another(golden: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = golden.to_vec();
    bytes[60..64].copy_from_slice(&(7_000 + number as u32).to_le_bytes());
    bytes
}

/// The same parts of damaged files are used, with the same values.
#[test]
fn damaged_files_are_read_alike() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("model");
    fs::create_dir(&directory).unwrap();
    let mut random = Random(2026);
    for (of, name) in names().into_iter().enumerate() {
        let golden = fs::read(manifest(&format!("tests/golden/{name}.mmstats"))).unwrap();
        // Where the metadata is: bytes that are not zero, in the first part of the file. (With floats that no writer
        // writes, two readers may lose different digits.)
        let metadata = if name == "summaries" { 2_048 } else { 6_000 };
        let places: Vec<usize> = (0..golden.len().min(metadata))
            .filter(|&at| golden[at.saturating_sub(3)..][..4] != [0; 4])
            .collect();
        for number in 0..60 {
            let mut bytes = another(&golden, 1_000 * of + number);
            for _ in 0..1 + number % 3 {
                let at = places[random.next() as usize % places.len()];
                bytes[at] = match random.next() % 4 {
                    0 => 0,
                    1 => 255,
                    2 => bytes[at] ^ 1 << (random.next() % 8),
                    _ => random.next() as u8,
                };
            }
            if random.next().is_multiple_of(8) {
                bytes.truncate(random.next() as usize % golden.len());
            }
            fs::write(directory.join(format!("mmstats-{name}-{number}")), bytes).unwrap();
        }
    }
    let shown = assert_same("damaged files", &[root.path()]);
    let models = shown["models"].as_object().unwrap().values();
    let files = models.flat_map(|model| model["files"].as_array().unwrap());
    assert!(files.count() > 100, "too few damaged files were read");
}
