//! Reports to the user that something is not recorded. Each is made once, through `log` or, if no logger is
//! installed, as a line on stderr; [`status`](crate::status()) lists them.
//!
//! A report is made when the state that it is about is final, because the logger may use statistics itself.
//! Problems that occur inside a logger, on the same thread, are left for the next time.

use std::cell::Cell;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use super::paths::Settings;
use crate::sys::NO_FILES;
use crate::sys::memory::append_list::AppendList;
use crate::sys::process::fork;
use crate::sys::process::stderr;

/// Something that was reported about a model.
#[derive(Debug)]
pub struct Report {
    /// The model; empty: the process as a whole.
    pub model: Box<str>,
    /// What happened, and what to do about it.
    pub text: Box<str>,
    /// What distinguishes it from other reports about the model.
    cause: Box<str>,
    /// The process that made it, as its generation.
    generation: u64,
    /// Whether it has yet to be told.
    untold: AtomicBool,
}

static REPORTS: AppendList<Report> = AppendList::new();

/// The most reports that a process makes: more of them indicate a loop.
const MOST: usize = 1000;

thread_local! {
    /// Whether this thread is making a report.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Reports something about a model, unless the same cause has been reported of it already.
pub fn once(model: &str, cause: &str, text: &dyn Display) {
    later(model, cause, text);
    tell_all();
}

/// Like [`once`], for problems that occur while a file is being created: [`tell_all`] is called once it exists.
pub fn later(model: &str, cause: &str, text: &dyn Display) {
    enter(model, cause, text, true);
}

/// Like [`once`], but only for [`status`](crate::status()): for what the user asked for.
pub fn quietly(model: &str, cause: &str, text: &dyn Display) {
    enter(model, cause, text, false);
}

/// Tells what is yet to be told, and the problems with the settings. Called when a new file is complete, because a
/// logger may use statistics itself.
pub fn tell_all() {
    for (name, problem) in &Settings::get().problems {
        later("", name, problem);
    }
    if let Some(reason) = NO_FILES {
        return tell_of_platform(reason);
    }
    // Relaxed: one of two threads tells it; nothing else depends on it.
    let untold = || all().filter(|report| report.untold.load(Ordering::Relaxed));
    if untold().next().is_none() {
        return;
    }
    let Some(_reporting) = Reporting::begin() else {
        return;
    };
    // Oldest first.
    let mut reports: Vec<&Report> = untold().collect();
    reports.reverse();
    reports.retain(|report| report.untold.swap(false, Ordering::Relaxed));
    for report in reports {
        let gap = if report.model.is_empty() { "" } else { ": " };
        tell(&format!("mmstats: {}{gap}{}", report.model, report.text));
    }
}

/// On a platform where nothing is recorded anyway, tells one line instead of each case, and only to a logger that
/// shows information: it was known at compile time, and the user can do nothing about it.
fn tell_of_platform(reason: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let Some(_reporting) = Reporting::begin() else {
        return;
    };
    // Relaxed: one of two threads tells it; nothing else depends on it.
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::info!(
            "mmstats: {reason}: metrics are kept in private memory, which no other program reads"
        );
    }
}

/// Marks this thread as making a report, until dropped.
struct Reporting;

impl Reporting {
    fn begin() -> Option<Reporting> {
        (!REPORTING.replace(true)).then_some(Reporting)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        REPORTING.set(false);
    }
}

fn enter(model: &str, cause: &str, text: &dyn Display, aloud: bool) {
    let generation = fork::generation();
    let known = |report: &Report| {
        report.generation == generation && *report.cause == *cause && *report.model == *model
    };
    // Before anything is allocated: an allocator that calls this must not do so again.
    if REPORTS.iter().any(known) {
        return;
    }
    let Some(_reporting) = Reporting::begin() else {
        return;
    };
    let report = Report {
        model: model.into(),
        text: text.to_string().into(),
        cause: cause.into(),
        generation,
        untold: AtomicBool::new(aloud),
    };
    if REPORTS.iter().take(MOST).count() < MOST {
        REPORTS.push_unless(report, |other, _| known(other));
    }
}

/// Returns whether this thread is making a report, so that another one would be dropped.
pub fn is_reporting() -> bool {
    REPORTING.get()
}

/// Returns what this process has reported, newest first.
pub fn all() -> impl Iterator<Item = &'static Report> {
    let generation = fork::generation();
    REPORTS
        .iter()
        .filter(move |report| report.generation == generation)
}

/// Logs an error, not a warning: figures are missing, and many loggers show only errors.
fn tell(text: &str) {
    if log::max_level() == log::LevelFilter::Off {
        if !Settings::get().quiet {
            stderr::write(text);
        }
        return;
    }
    // A logger that uses thread-locals may panic at the end of a thread or process, and an exit handler must not
    // panic.
    let logged = std::panic::catch_unwind(|| log::error!("{text}"));
    if logged.is_err() {
        stderr::write(text);
    }
}
