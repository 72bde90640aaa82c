//! A slot that is written while it is read.

use mmstats::{Compound, MmStats, MmValue};

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::compare::{readers, run};

/// The slot is written as fast as possible, and is read whole or not at all.
#[test]
fn no_torn_value_is_taken() {
    #[derive(MmStats)]
    struct Fast {
        #[mmstats(buffers = 16)]
        twins: Compound<Twins>,
    }
    #[derive(Clone, Copy, Default, MmValue)]
    #[repr(C)]
    struct Twins {
        words: [u64; 16],
    }
    let root = tempfile::tempdir().unwrap();
    let fast = Fast::builder().path(root.path()).create().unwrap();
    // Each path is read separately, and has its own name in the JSON.
    let links = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..10).map(|i| links.path().join(i.to_string())).collect();
    for path in &paths {
        symlink(root.path(), path).unwrap();
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        let writer = scope.spawn(move || {
            let mut n = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                fast.twins.set(Twins { words: [n; 16] });
                // About one write per microsecond.
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
            }
            fast
        });
        for reader in readers() {
            let (read, _) = run(&reader.command, &paths);
            let models = read["models"].as_object().unwrap();
            assert_eq!(models.len(), paths.len(), "{}", reader.name);
            for model in models.values() {
                // A missing value was too busy.
                let words = &model["stats"]["twins"]["value"]["words"];
                for word in words.as_array().into_iter().flatten() {
                    assert_eq!(*word, words[0], "{}", reader.name);
                }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(writer.join().unwrap());
    });
}
