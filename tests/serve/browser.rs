//! The page in a real browser: headless Chromium, driven by playwright-core, with axe-core to judge accessibility.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mmstats::{Compound, Counter, Errors, History, MmStats, Text, Timer, Writer};
use tempfile::TempDir;

use super::agent::Agent;
use super::{Pool, child};

/// What the page is to show.
#[derive(MmStats)]
#[mmstats(name = "page")]
struct Page {
    /// Requests received.
    requests: Counter,
    /// From a request's arrival to its answer.
    response: Timer,
    pool: Compound<Pool>,
    release: Text<32>,
    tasks: History,
    errors: Errors,
}

/// Returns the browser and the directory of the Node packages; or what is missing.
fn find() -> Result<(PathBuf, PathBuf), String> {
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("no node ({error}): apt-get install nodejs"))?;
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium-headless-shell", "chromium", "google-chrome"];
    let all = std::env::split_paths(&paths).flat_map(|path| names.map(|name| path.join(name)));
    let browser = all.into_iter().find(|path| path.exists());
    let browser = browser.ok_or("no Chromium: apt-get install chromium-headless-shell")?;
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/judges");
    for package in ["playwright-core", "axe-core"] {
        if !packages.join("node_modules").join(package).exists() {
            return Err(format!(
                "no {package}: npm install --prefix target/judges playwright-core axe-core"
            ));
        }
    }
    Ok((browser, packages))
}

/// Like [`find`]; reports what is missing.
fn find_or_skip() -> Option<(PathBuf, PathBuf)> {
    let found = find();
    if let Err(missing) = &found {
        eprintln!("SKIPPED: {missing}");
        let required = std::env::var_os("MMSTATS_REQUIRE_REAL");
        assert!(required.is_none(), "MMSTATS_REQUIRE_REAL is set");
    }
    found.ok()
}

/// Runs the script, and asserts that it finds no problem.
fn look(url: &str, (browser, packages): (PathBuf, PathBuf), screenshot: Option<OsString>) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/browser.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(url).arg(packages).args(screenshot);
    let output = command.env("CHROMIUM", browser).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_page_is_live_usable_and_accessible() {
    let Some(found) = find_or_skip() else {
        return;
    };
    let root = TempDir::new().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| write(root.path(), &is_over));
        let looked =
            panic::catch_unwind(|| look(&format!("http://{}/", agent.address), found, None));
        is_over.store(true, Ordering::Relaxed);
        looked.unwrap_or_else(|panic| panic::resume_unwind(panic));
    });
}

/// Makes README.md's picture of the demo and writes it to the path in MMSTATS_SCREENSHOT: docs/page.png.
#[test]
fn the_demo_has_its_picture_taken() {
    let Some(screenshot) = std::env::var_os("MMSTATS_SCREENSHOT") else {
        return;
    };
    let Some(found) = find_or_skip() else {
        return;
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command.args(["demo", "--seconds", "120", "--serve", "127.0.0.1:0"]);
    let mut demo = child::start(&mut command);
    let mut lines = BufReader::new(demo.0.stdout.as_mut().unwrap())
        .lines()
        .map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("or open ")).unwrap();
    look(
        line.strip_prefix("or open ").unwrap(),
        found,
        Some(screenshot),
    );
}

/// Writes 1,000 series, some of which change all the time.
fn write(root: &Path, is_over: &AtomicBool) {
    let page = Page::builder().path(root).create().unwrap();
    page.release.set("<b>1.4.2</b>");
    page.pool.update(|pool| (pool.open, pool.waits) = (3, 4));
    page.tasks.push(4.5);
    page.response
        .record_with(Duration::from_secs(2), "4bf92f3577b34da6");
    page.errors.record(&"x".parse::<u8>().unwrap_err());
    let writer = Writer::builder("more").path(root).create().unwrap();
    let counters: Vec<_> = (0..994)
        .map(|n| writer.counter(&format!("counter_{n}")).add().unwrap())
        .collect();
    while !is_over.load(Ordering::Relaxed) {
        page.requests.inc();
        counters.iter().step_by(7).for_each(|counter| counter.inc());
        for n in 0..20u32 {
            page.response
                .record(Duration::from_micros(20) * 2u32.pow(n % 7) * (n + 1));
        }
        // The pace of a service; nothing waits for it.
        thread::sleep(Duration::from_millis(20));
    }
}
