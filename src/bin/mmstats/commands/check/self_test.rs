//! Tests whether reading a file here returns whole words that are written through a mapping, and the latest ones. All
//! readers that do not map files rely on this.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mmstats::Writer;

use super::Findings;
use crate::ui::output;

/// The number of readings during the writes.
const READINGS: usize = 20_000;
/// The initial value of the word, by which it is found in the file. Both halves are equal.
const FIRST: u64 = 0x5EAF_00D5_5EAF_00D5;
/// The bytes that are read: the file of one gauge.
const LEN: usize = 4096;

pub fn run(root: &Path, findings: &mut Findings) {
    // Readers ignore names that begin with a dot.
    let directory = root.join(format!(".check-{}", process::id()));
    let found = test(&directory);
    // It may not exist: then this user may not write to the root, and nothing was tested.
    let _ = fs::remove_dir_all(&directory);
    if let Some(problem) = found {
        findings
            .errors
            .push(format!("{}: {problem}", output::path(root)));
    }
}

/// Returns the problem; `None` if there is none, or if the test is not possible.
fn test(directory: &Path) -> Option<String> {
    let writer = Writer::builder("check").path(directory).create().ok()?;
    let file = File::open(writer.path()?).ok()?;
    let gauge = writer.gauge::<u64>("word").add().ok()?;
    gauge.set(FIRST);
    let mut bytes = vec![0; LEN];
    let at = (0..file.metadata().ok()?.len().div_ceil(LEN as u64)).find_map(|page| {
        let from = page * LEN as u64;
        let len = file.read_at(&mut bytes, from).ok()?;
        let words = bytes[..len].chunks_exact(8);
        let mut words = words.map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")));
        Some(from + 8 * words.position(|word| word == FIRST)? as u64)
    });
    let Some(at) = at else {
        return Some(
            "writes through a mapping are not visible to read(): this file system does not share \
             pages: put MMSTATS_PATH on a tmpfs"
                .to_owned(),
        );
    };
    let read = || {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).ok()?;
        Some(u64::from_ne_bytes(word))
    };
    let stop = AtomicBool::new(false);
    let torn = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let torn = (0..READINGS)
                .filter(|_| read().is_none_or(|word| word >> 32 != word & 0xffff_ffff));
            let torn = torn.count();
            stop.store(true, Ordering::Relaxed);
            torn
        });
        let mut n = 0u64;
        while !stop.load(Ordering::Relaxed) {
            n = (n + 1) & 0xffff_ffff;
            gauge.set(n << 32 | n);
        }
        reader.join().unwrap_or(READINGS)
    });
    if torn > 0 {
        return Some(format!(
            "{torn} of {READINGS} words were torn when they were read: values of other users' files are \
             not to be trusted here: put MMSTATS_PATH on a tmpfs"
        ));
    }
    (read() != Some(gauge.get())).then(|| {
        "the last value that was written through a mapping is not seen by reading: have MMSTATS_PATH on \
         a tmpfs"
            .to_owned()
    })
}
