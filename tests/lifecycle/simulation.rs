//! The life of files at random: processes and threads that start, count, fork, end and are killed, and a disk that is
//! full, in an order determined by one seed. After each step a reader must see what a model of all this expects.
//!
//! A step is a command to a process, which answers when it has finished: so a seed replays exactly, with
//! `MMSTATS_SEED=… cargo test --test lifecycle simulation`.

#[path = "simulation/actor.rs"]
mod actor;
#[path = "simulation/model.rs"]
mod model;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mmstats::reader::Reader;
use mmstats::retire::Cleaner;

use super::disk::SmallDisk;
use super::{child, files, is_root, many};
use actor::Actor;
use model::{Gone, Observed, World};

const NAME: &str = "simulation::the_life_of_files_at_random";
/// Set in the process that simulates, and not in the simulated processes.
const SIMULATOR: &str = "MMSTATS_TEST_SIMULATOR";
const PROCESSES: usize = 4;
const THREADS: usize = 5;

/// The possible steps. A new kind of step is a variant here, a line in `choose` and an arm in `take`.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A process starts.
    Spawn { end: End },
    /// A thread of a process starts.
    Thread { process: usize },
    /// A thread counts.
    Count {
        process: usize,
        thread: usize,
        n: u64,
    },
    /// A thread ends.
    End { process: usize, thread: usize },
    /// A process forks; its child counts, and leaves with or without exit handlers.
    Fork { process: usize, n: u64, exit: bool },
    /// A process is killed.
    Kill { process: usize },
    /// A process exits cleanly.
    Exit { process: usize },
    /// The disk is full from now on.
    Fill,
    /// There is space again.
    Free,
    /// The files of dead processes are removed or folded.
    Clean { fold: bool },
}

/// A small generator of pseudo-random numbers. (splitmix64, Vigna)
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 16) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The root, and how its disk becomes full.
enum Disk {
    /// A separate file system, which is filled with a file.
    Mounted(SmallDisk),
    /// A limit on the size of the files that processes write.
    Limited(tempfile::TempDir),
}

impl Disk {
    /// Every second seed uses a file system, which needs root; limits are available to all users.
    fn new(seed: u64) -> Disk {
        let mounted = (seed.is_multiple_of(2) && is_root()).then(|| SmallDisk::mount("16m"));
        match mounted.flatten() {
            Some(disk) => Disk::Mounted(disk),
            None => Disk::Limited(tempfile::tempdir().unwrap()),
        }
    }

    fn root(&self) -> PathBuf {
        match self {
            Disk::Mounted(disk) => disk.path().join("root"),
            Disk::Limited(directory) => directory.path().join("root"),
        }
    }

    /// Fills the disk.
    fn fill(&self) {
        let Disk::Mounted(disk) = self else {
            return;
        };
        let filler = disk.path().join("filler");
        let mut filler: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(filler)
            .unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        if let Disk::Mounted(disk) = self {
            let filler = disk.path().join("filler");
            // Also emptied: a child that another test is just forking may have it open until it execs.
            File::create(&filler).unwrap();
            std::fs::remove_file(filler).unwrap();
        }
    }
}

/// What a process does with its files when it exits cleanly.
#[derive(Clone, Copy, Debug)]
enum End {
    Remove,
    Keep,
    Fold,
}

impl End {
    /// Returns what happens to its files then. If there is no space to fold them, they stay.
    fn leaves(self, full: bool) -> Gone {
        match self {
            End::Remove => Gone::Removed,
            End::Fold if !full => Gone::Folded,
            End::Keep | End::Fold => Gone::Left,
        }
    }
}

/// Everything: the processes, the disk, and what is expected of them.
struct Simulation {
    random: Random,
    disk: Disk,
    full: bool,
    actors: Vec<Actor>,
    world: World,
    /// Reads everything, from the beginning.
    reader: Reader,
    last: Observed,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let disk = Disk::new(seed);
        std::fs::create_dir(disk.root()).unwrap();
        Simulation {
            random: Random(seed),
            reader: Reader::open(disk.root()).unwrap(),
            disk,
            full: false,
            actors: Vec::new(),
            world: World::default(),
            last: Observed::default(),
        }
    }

    fn choose(&mut self) -> Step {
        let random = &mut self.random;
        if self.actors.is_empty() || self.actors.len() < PROCESSES && random.one_in(20) {
            return Step::Spawn {
                end: [End::Remove, End::Keep, End::Fold][random.below(3)],
            };
        }
        let process = random.below(self.actors.len());
        let threads = self.actors[process].threads.len();
        let n = 1 + random.below(1000) as u64;
        match random.below(100) {
            0..2 => Step::Kill { process },
            2..4 => Step::Exit { process },
            4..8 if self.full => Step::Free,
            4..7 => Step::Fill,
            8..10 => Step::Clean {
                fold: !random.one_in(4),
            },
            10..15 => Step::Fork {
                process,
                n,
                exit: random.one_in(2),
            },
            15..25 if threads < THREADS => Step::Thread { process },
            // The first thread ends with its process.
            25..35 if threads > 1 => Step::End {
                process,
                thread: 1 + random.below(threads - 1),
            },
            _ => Step::Count {
                process,
                thread: random.below(threads),
                n,
            },
        }
    }

    /// Performs a step, both here and in the model.
    fn take(&mut self, step: Step) {
        if self.full {
            // Each time, because a file may have disappeared with its last reader.
            self.disk.fill();
        }
        let (world, full) = (&mut self.world, self.full);
        match step {
            Step::Spawn { end } => {
                let mut actor = Actor::spawn(&self.disk.root(), end);
                if full {
                    self.limit(&mut actor);
                }
                self.actors.push(actor);
            }
            Step::Thread { process } => self.actors[process].start_thread(),
            Step::Count { process, thread, n } => {
                let actor = &mut self.actors[process];
                let thread = actor.threads[thread];
                actor.ask(&format!("count {thread} {n}"));
                world.count((actor.pid(), thread), n, full);
            }
            Step::End { process, thread } => {
                let actor = &mut self.actors[process];
                let thread = actor.threads.remove(thread);
                actor.ask(&format!("end {thread}"));
                world.end_thread((actor.pid(), thread));
            }
            Step::Fork { process, n, exit } => {
                let actor = &mut self.actors[process];
                let child = actor.ask(&format!("fork {n} {exit}")).parse().unwrap();
                world.count((child, 0), n, full);
                let gone = if exit {
                    actor.end.leaves(full)
                } else {
                    Gone::Left
                };
                world.end_process(child, gone);
            }
            Step::Kill { process } => {
                let actor = self.actors.swap_remove(process);
                world.end_process(actor.pid(), Gone::Left);
                actor.kill();
            }
            Step::Exit { process } => {
                let actor = self.actors.swap_remove(process);
                world.end_process(actor.pid(), actor.end.leaves(full));
                actor.exit();
            }
            Step::Fill | Step::Free => {
                self.full = matches!(step, Step::Fill);
                if !self.full {
                    self.disk.free();
                }
                let mut actors = std::mem::take(&mut self.actors);
                actors.iter_mut().for_each(|actor| self.limit(actor));
                self.actors = actors;
            }
            Step::Clean { fold } => {
                let cleaned = Cleaner::new().fold(fold).clean(self.disk.root()).unwrap();
                // Folding needs space; without space the files stay as they are.
                if fold && full && matches!(self.disk, Disk::Mounted(_)) {
                    assert_eq!(cleaned.files(), []);
                } else {
                    assert!(cleaned.problems().is_empty(), "{:?}", cleaned.problems());
                    world.clean(if fold { Gone::Folded } else { Gone::Removed });
                }
            }
        }
    }

    fn limit(&self, actor: &mut Actor) {
        if matches!(self.disk, Disk::Limited(_)) {
            actor.ask(&format!("limit {}", self.full));
        }
    }

    /// Checks what holds after each step.
    fn check(&mut self, step: Step) {
        let expected = self.world.expected();
        let seen = Observed::of(&self.reader.snapshot().unwrap());
        assert_eq!(seen, expected, "by the reader that has seen everything");
        let root = self.disk.root();
        let fresh = Reader::open(&root).unwrap().snapshot().unwrap();
        assert_eq!(Observed::of(&fresh), expected, "by a new reader");
        let retired = usize::from(expected.folded.is_some());
        assert_eq!(
            files(&root, "Sim").len(),
            expected.files.values().sum::<usize>() + retired
        );
        for (pid, most) in self.world.most_threads() {
            let of_process =
                |((of, _), count): (&(u32, &str), &usize)| (*of == pid).then_some(*count);
            let count: usize = expected.files.iter().filter_map(of_process).sum();
            assert!(
                count <= most,
                "{count} files of {pid}, never {most} threads"
            );
        }
        if !matches!(step, Step::Exit { .. } | Step::Clean { fold: false }) {
            assert!(seen.counted >= self.last.counted, "backwards");
        }
        self.last = seen;
    }
}

/// Prints how to replay the simulation if a step fails.
struct Replay {
    seed: u64,
    steps: Vec<Step>,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (number, step) in self.steps.iter().enumerate() {
                eprintln!("{number}: {step:?}");
            }
            eprintln!("MMSTATS_SEED={} replays it", self.seed);
        }
    }
}

fn simulate(seed: u64, steps: u64) {
    let mut replay = Replay {
        seed,
        steps: Vec::new(),
    };
    let mut simulation = Simulation::new(seed);
    for _ in 0..steps {
        let step = simulation.choose();
        replay.steps.push(step);
        simulation.take(step);
        simulation.check(step);
    }
    println!("seed {seed}: {steps} steps, {}", simulation.last.counted);
}

/// Runs in a process of its own, in which nothing else forks: a child that another test is about to start would hold
/// the mapping of a removed file, whose space would not be free until the disk had been filled.
#[test]
fn the_life_of_files_at_random() {
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        let output = child::run(child::command(NAME, root.path()).env(SIMULATOR, "1"));
        println!("{}", String::from_utf8_lossy(&output.stdout));
    } else if std::env::var_os(SIMULATOR).is_some() {
        simulate_some();
    } else {
        actor::act();
    }
}

/// Runs the simulation of the seed that is set, or else some new ones.
fn simulate_some() {
    let steps = many(1000, 300);
    if let Some(seed) = std::env::var_os("MMSTATS_SEED") {
        let seed = seed.to_str().and_then(|seed| seed.parse().ok());
        return simulate(seed.expect("MMSTATS_SEED is to be a number"), steps);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for round in 0..many(20, 2) {
        simulate(now.as_nanos() as u64 / 1000 + round, steps);
    }
}

/// Returns the command of a simulated process.
fn command(root: &Path, end: End) -> std::process::Command {
    let mut command = child::command(NAME, root);
    command.env_remove(SIMULATOR).env_remove("MMSTATS_SEED");
    // The model determines who folds what.
    command.env("MMSTATS_DEAD", "all");
    match end {
        End::Remove => {}
        End::Keep => _ = command.env("MMSTATS_KEEP", "1"),
        End::Fold => _ = command.env("MMSTATS_FOLD", "1"),
    }
    command
}
