//! A coordinator and four worker processes that pass objects by proxy; two workers are killed.
//!
//! A task is a line with the proxy of an input, in hexadecimal; the answer is a line with the proxy of the result. The
//! objects themselves never pass through the pipes.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Outcome;
use super::connector::FileConnector;
use super::key::Key;
use super::proxy::Proxy;
use super::stats::{self, Operation};
use super::store::Store;

const NAME: &str = "objects";
const WORKERS: usize = 4;
const INPUTS: usize = 8;
const TASKS: usize = 64;
/// The first two workers are killed before this task.
const KILL_BEFORE: usize = TASKS / 2;

/// The calls that must have been counted, by key and operation.
pub type Calls = BTreeMap<(String, Operation), u64>;

/// Opens the store at a place: a directory, or the URL of a Redis.
fn open(place: &str) -> Result<Store, Box<dyn StdError>> {
    let builder = || Store::builder(NAME).with_stats(true);
    #[cfg(feature = "push")]
    if place.starts_with("redis") {
        let connector = super::connector::RedisConnector::new(place, "mmstats-store-example")?;
        return Ok(builder().build(connector)?.erased());
    }
    if place.contains("://") {
        return Err("--redis needs the feature push".into());
    }
    Ok(builder().build(FileConnector::new(place)?)?.erased())
}

/// A worker: resolves the proxy in each line, and answers with a proxy of the sum.
pub fn work(place: &str) -> Outcome {
    let store = open(place)?;
    for line in stdin().lines() {
        let numbers: Proxy<Vec<u64>> = read(&line?)?;
        let sum: u64 = numbers.iter().sum();
        let result = store.proxy(&sum)?;
        writeln!(stdout(), "{}", write(&result)?)?;
    }
    Ok(())
}

/// The coordinator; returns the calls that all processes must have made.
pub fn run(
    place: &str,
    worker: impl Fn(&str) -> std::io::Result<Command>,
) -> Result<Calls, Box<dyn StdError>> {
    let store = open(place)?;
    let mut calls = Calls::new();
    let mut count = |key: &Key, operation| {
        *calls.entry((key.to_string(), operation)).or_default() += 1;
    };
    let keys: Result<Vec<Key>, _> = (0..INPUTS)
        .map(|input| Key::new(&format!("input-{input}")))
        .collect();
    let keys = keys?;
    for (input, key) in (0u64..).zip(&keys) {
        store.set_at(key, &(0..1000 + input).collect::<Vec<u64>>())?;
        count(key, Operation::Set);
    }
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(Worker::start(worker(place)?)?);
    }
    for task in 0..TASKS {
        if task == KILL_BEFORE {
            // SIGKILL. Each worker has answered every question, so what it counted is known.
            drop(workers.drain(..WORKERS / 2));
        }
        let key = &keys[task % INPUTS];
        let numbers = store.proxy_of::<Vec<u64>>(key);
        let at = task % workers.len();
        let answer = workers[at].ask(&write(&numbers)?)?;
        let sum: Proxy<u64> = read(&answer)?;
        let n = 1000 + (task % INPUTS) as u64;
        if sum != n * (n - 1) / 2 {
            return Err(format!("task {task}: the sum {sum} is wrong").into());
        }
        // The worker's calls, and the coordinator's own.
        for operation in [Operation::Proxy, Operation::Resolve, Operation::Get] {
            count(key, operation);
        }
        let result = super::key::HasKey::key(&sum)?;
        for operation in [
            Operation::Proxy,
            Operation::Set,
            Operation::Resolve,
            Operation::Get,
            Operation::Evict,
        ] {
            count(&result, operation);
        }
        sum.evict()?;
    }
    for key in &keys {
        store.evict(key)?;
        count(key, Operation::Evict);
    }
    store.close();
    Ok(calls)
}

/// A worker process. Dropping it kills the process by its id.
struct Worker {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(mut command: Command) -> Result<Worker, Box<dyn StdError>> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take().ok_or("a worker has no stdin")?;
        let answers = process.stdout.take().ok_or("a worker has no stdout")?;
        Ok(Worker {
            process,
            questions,
            answers: BufReader::new(answers).lines(),
        })
    }

    fn ask(&mut self, question: &str) -> Result<String, Box<dyn StdError>> {
        writeln!(self.questions, "{question}")?;
        for line in &mut self.answers {
            // The harness of a test prints lines of its own, and text before the answer.
            if let Some((_, answer)) = line?.split_once(MARK) {
                return Ok(answer.to_owned());
            }
        }
        Err("a worker has ended".into())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Precedes a proxy in a line.
const MARK: &str = "proxy ";

fn write<T: Send + Sync + 'static>(proxy: &Proxy<T>) -> Result<String, Box<dyn StdError>> {
    let bytes = postcard::to_stdvec(proxy)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{MARK}{digits}"))
}

fn read<T>(line: &str) -> Result<Proxy<T>, Box<dyn StdError>>
where
    T: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let digits = line.strip_prefix(MARK).unwrap_or(line);
    let bytes: Result<Vec<u8>, _> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2).unwrap_or("?"), 16))
        .collect();
    Ok(postcard::from_bytes(&bytes?)?)
}

/// Prints the merged table, for the inputs only, and where to see more.
pub fn print(calls: &Calls) -> Outcome {
    println!("key       operation  calls  expected  mean ms   p99 ms   max ms  cache hits");
    for (key, operations) in stats::all()? {
        if !key.starts_with("input-") {
            continue;
        }
        for (operation, stats) in operations {
            let expected = calls.get(&(key.clone(), operation)).copied();
            println!(
                "{key:9} {:9} {:6}  {:8}  {:7.4}  {:7.4}  {:7.4}  {:10}",
                format!("{operation:?}").to_lowercase(),
                stats.calls,
                expected.unwrap_or_default(),
                stats.avg_time_ms,
                stats.p99_time_ms,
                stats.max_time_ms,
                stats.cache_hits,
            );
        }
    }
    for root in mmstats::reader::roots() {
        println!(
            "\nthe same, and the results: mmstats show {}",
            root.display()
        );
    }
    Ok(())
}
