//! The writing process: how fast it writes, and how it is started, queried and stopped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::MmapRaw;

/// How often a writer writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    FullSpeed,
    Every(Duration),
}

pub const PACES: [Pace; 3] = [
    Pace::FullSpeed,
    Pace::Every(Duration::from_micros(1)),
    Pace::Every(Duration::from_micros(100)),
];

impl Pace {
    pub fn name(self) -> &'static str {
        match self {
            Pace::FullSpeed => "full speed",
            Pace::Every(time) if time.as_micros() == 1 => "1/µs",
            Pace::Every(_) => "1/100 µs",
        }
    }
}

/// Maps the words of a file of zeros. Both processes keep them mapped for as long as they live.
pub fn map(path: &Path) -> &'static [AtomicU64] {
    let file = File::options().read(true).write(true).open(path);
    let map = MmapRaw::map_raw(&file.expect("the file")).expect("a mapping");
    let map = std::mem::ManuallyDrop::new(map);
    // SAFETY: the mapping is page-aligned, is never unmapped, and has `map.len()` bytes.
    unsafe { std::slice::from_raw_parts(map.as_mut_ptr().cast(), map.len() / 8) }
}

/// What the processes tell each other besides the values: each word on a cache line of its own.
struct Control(&'static [AtomicU64]);

impl Control {
    const FILE: &'static str = "control";
    fn at(root: &Path) -> Control {
        Control(map(&root.join(Control::FILE)))
    }
    /// Values written.
    fn written(&self) -> &AtomicU64 {
        &self.0[0]
    }
    /// Picoseconds that a write took.
    fn cost(&self) -> &AtomicU64 {
        &self.0[8]
    }
    /// Set when the writer is to stop.
    fn stop(&self) -> &AtomicU64 {
        &self.0[16]
    }
}

/// The writer's side: calls `publish(1)`, `publish(2)` and so on at this pace until it is told to stop.
#[inline(always)]
pub fn write(root: &Path, pace: Pace, mut publish: impl FnMut(u64)) {
    let control = Control::at(root);
    let clock = quanta::Clock::new();
    let mut empty = Mean::default();
    (0..10_001).for_each(|_| empty.add(clock.delta_as_nanos(clock.raw(), clock.raw())));
    let mut writes = Mean::default();
    // A writer stops when its parent has gone: then nobody waits for it.
    let parent = std::os::unix::process::parent_id();
    let orphaned = || std::os::unix::process::parent_id() != parent;
    println!("ready");
    let start = Instant::now();
    let mut n = 0;
    loop {
        match pace {
            Pace::FullSpeed => {
                for _ in 0..1024 {
                    n += 1;
                    publish(n);
                }
            }
            Pace::Every(interval) => {
                n += 1;
                let before = clock.raw();
                publish(n);
                let after = clock.raw();
                writes.add(clock.delta_as_nanos(before, after));
                // The interval counts from this write, not from when it was due: a writer that was interrupted does
                // not catch up.
                while clock.delta_as_nanos(before, clock.raw()) < interval.as_nanos() as u64 {
                    std::hint::spin_loop();
                }
            }
        }
        control.written().store(n, Ordering::Relaxed);
        let end = n.is_multiple_of(1 << 16) && orphaned();
        if end || control.stop().load(Ordering::Relaxed) != 0 {
            let cost = match pace {
                Pace::FullSpeed => start.elapsed().as_nanos() as f64 / n as f64,
                // These are few enough to time each one.
                Pace::Every(_) => (writes.get() - empty.get()).max(0.0),
            };
            control
                .cost()
                .store((cost * 1000.0) as u64, Ordering::Release);
            return;
        }
    }
}

/// The mean of many short times, without interruptions. (A median would be a multiple of the clock's
/// resolution, which is ten nanoseconds on some machines.)
#[derive(Default)]
struct Mean {
    sum: u64,
    number: u64,
}

impl Mean {
    /// A time that is longer, in nanoseconds, was interrupted.
    const LONGEST: u64 = 500;

    fn add(&mut self, nanoseconds: u64) {
        if nanoseconds < Mean::LONGEST {
            self.sum += nanoseconds;
            self.number += 1;
        }
    }

    fn get(&self) -> f64 {
        self.sum as f64 / self.number.max(1) as f64
    }
}

/// A running writer, killed when this is dropped.
pub struct Writer {
    child: Child,
    control: Control,
}

impl Writer {
    /// Starts `case` and waits until it is about to write.
    pub fn start(case: &str, pace: Pace, root: &Path) -> Writer {
        std::fs::write(root.join(Control::FILE), [0; 4096]).expect("a file of ours");
        let pace = PACES.iter().position(|other| *other == pace);
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--writer", case, &pace.expect("one of them").to_string()])
            .env("MMSTATS_PATH", root)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let writer = Writer {
            child,
            control: Control::at(root),
        };
        let ready = lines.map_while(Result::ok).any(|line| line == "ready");
        assert!(ready, "the writer of {case} did not start");
        writer
    }

    /// Returns the values written so far; at full speed, this grows in steps of 1,024.
    pub fn written(&self) -> u64 {
        self.control.written().load(Ordering::Relaxed)
    }

    /// Stops the writer and returns the nanoseconds that a write took.
    pub fn stop(mut self) -> f64 {
        self.control.stop().store(1, Ordering::Relaxed);
        let status = self.child.wait().expect("our child");
        assert!(status.success(), "the writer ended with {status}");
        self.control.cost().load(Ordering::Acquire) as f64 / 1000.0
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // This kills by process id; the writer may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
