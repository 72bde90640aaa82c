//! The agent: reads once a second, independent of requests, and keeps what it has read.
//!
//! A request gets the last reading if that is young enough, otherwise a new one. So any number of clients cost at
//! most a few readings a second. All work on files is done by threads that may block.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::options::Options;
use super::past::{Line, Past, TrackInfo};
use super::processes::Processes;
use super::time::unix_seconds;
use super::totals::{Reading, Totals};
use crate::reader::Per;
use crate::reader::sources::{Read, Sources};

/// How often the agent reads on its own.
const TICK: Duration = Duration::from_secs(1);
/// How old a reading may be when it answers a request.
const YOUNG: Duration = Duration::from_millis(200);

/// Reads, and keeps what was read.
#[derive(Debug)]
pub struct Agent {
    state: Mutex<State>,
    readings: watch::Sender<Arc<Reading>>,
    /// The agent's own readings, once a second.
    ticks: watch::Sender<Arc<Reading>>,
    /// Readings that keep processes or files apart, made on request.
    apart: Mutex<Vec<PerReading>>,
    paths: Vec<PathBuf>,
}

#[derive(Debug)]
struct State {
    sources: Sources,
    totals: Totals,
    past: Past,
    processes: Processes,
    /// The last reading that was added to the past.
    tick: Option<Arc<Reading>>,
}

/// Readings of another [`Per`].
#[derive(Debug)]
struct PerReading {
    per: Per,
    sources: Sources,
    last: Option<(Instant, Arc<Read>)>,
}

impl Agent {
    /// Starts an agent. It reads once before this returns, and then once a second until the agent is dropped.
    pub fn start(options: &Options) -> Arc<Agent> {
        let mut state = State {
            sources: Sources::new(&options.paths, Per::Model, true),
            totals: Totals::new(options.keep),
            past: Past::new(options.keep, options.memory),
            processes: Processes::default(),
            tick: None,
        };
        let first = state.read(None);
        state.tick(&first);
        let agent = Arc::new(Agent {
            state: Mutex::new(state),
            readings: watch::Sender::new(Arc::clone(&first)),
            ticks: watch::Sender::new(first),
            apart: Mutex::new(Vec::new()),
            paths: options.paths.clone(),
        });
        let weak = Arc::downgrade(&agent);
        let thread = thread::Builder::new().name("mmstats-agent".to_owned());
        if let Err(error) = thread.spawn(move || tick(&weak)) {
            log::error!("mmstats: cannot start the agent's thread, so no history is kept: {error}");
        }
        agent
    }

    /// Returns a young reading. Blocks while one is made.
    pub fn reading(&self) -> Arc<Reading> {
        let last = || Arc::clone(&self.readings.borrow());
        let reading = last();
        if reading.at.elapsed() < YOUNG {
            return reading;
        }
        let mut state = lock(&self.state);
        // Another thread may have made one meanwhile.
        let reading = last();
        if reading.at.elapsed() < YOUNG {
            return reading;
        }
        let reading = state.read(Some(&reading));
        self.readings.send_replace(Arc::clone(&reading));
        reading
    }

    /// Returns a receiver of the readings of every second.
    pub fn ticks(&self) -> watch::Receiver<Arc<Reading>> {
        self.ticks.subscribe()
    }

    /// Returns the values of each process or file, without the carried totals of files that are gone. Blocks while
    /// they are read.
    pub fn apart(&self, per: Per) -> Arc<Read> {
        let mut all = lock(&self.apart);
        let at = all
            .iter()
            .position(|apart| apart.per == per)
            .unwrap_or_else(|| {
                all.push(PerReading {
                    per,
                    sources: Sources::new(&self.paths, per, false),
                    last: None,
                });
                all.len() - 1
            });
        let apart = &mut all[at];
        let last = apart.last.take().filter(|(at, _)| at.elapsed() < YOUNG);
        let (at, read) = last.unwrap_or_else(|| (Instant::now(), Arc::new(apart.sources.read())));
        apart.last = Some((at, Arc::clone(&read)));
        read
    }

    /// Returns the past of the series that are `wanted`: see [`Past::lines`].
    pub fn lines(
        &self,
        range: (f64, f64),
        wanted: impl Fn(&TrackInfo) -> bool,
    ) -> (Duration, Vec<Line>) {
        lock(&self.state).past.lines(range, wanted)
    }

    /// Calls `take` with what is known about processes.
    pub fn with_processes<T>(&self, take: impl FnOnce(&Processes) -> T) -> T {
        take(&lock(&self.state).processes)
    }
}

impl State {
    fn read(&mut self, before: Option<&Reading>) -> Arc<Reading> {
        // Taken before the values, so they are at least as new.
        let at = (Instant::now(), unix_seconds(SystemTime::now()));
        let read = self.sources.read();
        let reading = self.totals.reading(before, read, at);
        self.processes.add(&reading);
        Arc::new(reading)
    }

    fn tick(&mut self, reading: &Arc<Reading>) {
        self.past.add(reading, self.tick.as_deref());
        self.tick = Some(Arc::clone(reading));
    }
}

fn tick(agent: &Weak<Agent>) {
    let mut next = Instant::now() + TICK;
    loop {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let Some(agent) = agent.upgrade() else {
            return;
        };
        let mut state = lock(&agent.state);
        let before = Arc::clone(&agent.readings.borrow());
        let reading = state.read(Some(&before));
        state.tick(&reading);
        // Before the lock is released, since the next reading is compared with this one.
        agent.readings.send_replace(Arc::clone(&reading));
        drop(state);
        agent.ticks.send_replace(reading);
        // After a pause (the machine slept), missed readings are not made up for.
        next = (next + TICK).max(Instant::now());
    }
}

/// Locks, ignoring poison: a thread that panicked left consistent values, since each is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
