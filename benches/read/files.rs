//! The files that are read.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mmstats::{Counter, MmStats, Timer};

use super::directory::Directory;

/// Ten fields of a type. Ten models of ten are a hundred counters, with the labels `a.a` to `j.j`.
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

        impl $name {
            fn all(&self) -> [&$type; 10] {
                [
                    &self.a, &self.b, &self.c, &self.d, &self.e, &self.f, &self.g, &self.h,
                    &self.i, &self.j,
                ]
            }
        }
    };
}
ten!(Ten of Counter);
ten!(Hundred of Ten);
ten!(Timers of Timer);

#[derive(MmStats)]
struct Mixed {
    counters: Hundred,
    timers: Timers,
}

/// The content of each file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    Counters,
    /// The counters and ten timers, with values in seven octaves.
    WithTimers,
}

impl Content {
    pub fn name(self) -> &'static str {
        match self {
            Content::Counters => "100 counters",
            Content::WithTimers => "100 counters, 10 timers",
        }
    }

    pub fn model(self) -> &'static str {
        match self {
            Content::Counters => Hundred::NAME,
            Content::WithTimers => Mixed::NAME,
        }
    }

    /// Writes file number `n`, and keeps it.
    pub fn write(self, root: &Path, n: u64) {
        match self {
            Content::Counters => {
                let builder = Hundred::builder().path(root).keep(true);
                count(&builder.create().expect("a file"), n);
            }
            Content::WithTimers => {
                let builder = Mixed::builder().path(root).keep(true);
                let stats = builder.create().expect("a file");
                count(&stats.counters, n);
                for timer in stats.timers.all() {
                    (10..17).for_each(|bit| timer.record(Duration::from_nanos(1 << bit)));
                }
            }
        }
    }

    /// Returns the number of values in a file.
    pub fn values(self) -> usize {
        match self {
            Content::Counters => 100,
            Content::WithTimers => 110,
        }
    }
}

/// Kept files under a root of their own, which is removed with them when this is dropped.
pub struct Files {
    root: Directory,
    pub content: Content,
    pub number: usize,
}

impl Files {
    pub fn write(content: Content, number: usize) -> Files {
        let root = Directory::new("read");
        // Each thread makes only a few files, because it searches for a free name from the first one on.
        for first in (0..number).step_by(50) {
            let write = || {
                (first..number.min(first + 50)).for_each(|n| content.write(root.path(), n as u64))
            };
            std::thread::scope(|scope| drop(scope.spawn(write)));
        }
        Files {
            root,
            content,
            number,
        }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn directory(&self) -> PathBuf {
        self.root().join(self.content.model())
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory()).expect("the model's directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }

    /// Returns the bytes of their blocks.
    pub fn bytes(&self) -> u64 {
        let blocks = |path: &Path| std::fs::metadata(path).expect("a file").blocks();
        self.paths().iter().map(|path| 512 * blocks(path)).sum()
    }
}

fn count(hundred: &Hundred, n: u64) {
    for ten in hundred.all() {
        ten.all().into_iter().for_each(|counter| counter.add(n));
    }
}
