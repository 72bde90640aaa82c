//! The agent and the exporters, judged by independent programs: promtool, Prometheus, the parser of prometheus_client.
//! And the agent with hostile clients.

#[path = "judges/agent.rs"]
mod agent;
#[allow(dead_code, reason = "these children are not waited for")]
#[path = "writer/child.rs"]
mod child;
#[path = "judges/files.rs"]
mod files;
#[path = "judges/hostile.rs"]
mod hostile;
#[path = "judges/http.rs"]
mod http;
#[path = "judges/limits.rs"]
mod limits;
#[path = "judges/pages.rs"]
mod pages;
#[path = "judges/prometheus.rs"]
mod prometheus;
#[path = "judges/protobuf.rs"]
mod protobuf;
#[path = "judges/worker.rs"]
mod worker;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How to install what is missing.
const PROMETHEUS: &str = "apt-get install --no-install-recommends prometheus";
const CLIENT: &str = "pip install prometheus_client";

/// Returns whether a test's judge is missing, and reports it. With MMSTATS_REQUIRE_REAL=1 it fails instead.
fn is_missing(judge: &mut Command, how: &str) -> bool {
    let found = (judge.stdin(Stdio::null()).output()).is_ok_and(|output| output.status.success());
    if !found {
        let program = judge.get_program().to_string_lossy();
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none_or(|value| value != "1"),
            "{program} is missing: {how}"
        );
        eprintln!("SKIPPED: {program}: {how}");
    }
    !found
}

/// Runs a program with `input` on its stdin.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // On a thread: the program may answer before it has read everything.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Reads the child's output until a line ends with this text, since the test's harness may print before it.
fn wait_for_line(child: &mut child::Running, wanted: &str) {
    // Byte by byte, so that nothing after the line is consumed.
    let stdout = child.0.stdout.as_mut().unwrap();
    let (mut line, mut byte) = (Vec::new(), [0]);
    while stdout.read(&mut byte).unwrap() == 1 {
        match byte {
            [b'\n'] if line.ends_with(wanted.as_bytes()) => return,
            [b'\n'] => line.clear(),
            [byte] => line.push(byte),
        }
    }
    panic!("the child ended without {wanted}");
}

/// Calls `ask` until there is an answer.
fn poll<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < patience, "waited in vain for {what}");
        // Only to avoid a busy loop.
        std::thread::sleep(Duration::from_millis(20));
    }
}
