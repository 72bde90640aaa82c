//! What reading costs, and how it grows: 10, 1,000 and 10,000 files of 100 counters, beside the bare
//! cost of pread over the same files.
//!
//! `cargo bench --bench read` prints a table; `-- 100000` adds a size.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mmstats::reader::Reader;
use mmstats::{Counter, MmStats};

/// A hundred counters: ten models of ten, as labels `a.a` to `j.j`.
macro_rules! ten {
    ($name:ident of $type:ty) => {
        #[derive(MmStats)]
        struct $name {
            a: $type,
            b: $type,
            c: $type,
            d: $type,
            e: $type,
            f: $type,
            g: $type,
            h: $type,
            i: $type,
            j: $type,
        }
    };
}
ten!(Ten of Counter);
ten!(Hundred of Ten);

const COUNTERS: usize = 100;

/// Makes `files` kept files under a root of their own.
fn write(files: usize) -> PathBuf {
    let root =
        std::env::temp_dir().join(format!("mmstats-bench-read-{}-{files}", std::process::id()));
    for n in 0..files as u64 {
        let stats = Hundred::builder()
            .path(&root)
            .keep(true)
            .create()
            .expect("a file");
        stats.a.a.add(n);
        stats.j.j.inc();
        for ten in [
            &stats.b, &stats.c, &stats.d, &stats.e, &stats.f, &stats.g, &stats.h, &stats.i,
        ] {
            for counter in [
                &ten.a, &ten.b, &ten.c, &ten.d, &ten.e, &ten.f, &ten.g, &ten.h, &ten.i, &ten.j,
            ] {
                counter.add(n);
            }
        }
    }
    root
}

/// The median of some runs.
fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..11)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// One pread of each open file's values: the least that reading without a mapping can cost.
fn bare(directory: &Path) -> Duration {
    let files: Vec<File> = std::fs::read_dir(directory)
        .expect("the model's directory")
        .map(|entry| File::open(entry.expect("an entry").path()).expect("a file"))
        .collect();
    let mut buffer = vec![0; 8192];
    median(|| {
        for file in &files {
            let read = file.read_at(&mut buffer, 0).expect("bytes");
            std::hint::black_box(&buffer[..read]);
        }
    })
}

fn main() {
    // As many open files as the bare cost needs.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is ours.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    let more = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok());
    println!(
        "| files | way | open and first snapshot | next snapshot | ns a value | bare pread | ratio |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for files in [10, 1_000, 10_000].into_iter().chain(more) {
        let root = write(files);
        let directory = root.join(Hundred::NAME);
        let bare = bare(&directory);
        // Where others may write, a reader does not map.
        for (way, mode) in [("mapped", 0o700), ("pread", 0o777)] {
            std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode))
                .expect("our directory");
            let start = Instant::now();
            let mut reader = Reader::open(&root).expect("a root");
            let snapshot = reader.snapshot().expect("a snapshot");
            let first = start.elapsed();
            let wanted = (files as u64 * (files as u64 - 1)) / 2;
            let label = |label| {
                snapshot
                    .get(Hundred::NAME, label)
                    .and_then(|value| value.as_u64())
            };
            assert_eq!(
                (label("a.a"), label("j.j")),
                (Some(wanted), Some(files as u64))
            );
            let next = median(|| drop(reader.snapshot().expect("a snapshot")));
            println!(
                "| {files} | {way} | {first:.1?} | {next:.1?} | {:.1} | {bare:.1?} | {:.2} |",
                next.as_nanos() as f64 / (files * COUNTERS) as f64,
                next.as_secs_f64() / bare.as_secs_f64(),
            );
        }
        std::fs::remove_dir_all(&root).expect("our files");
    }
}
