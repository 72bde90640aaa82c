//! Reports: what a user must hear because something is not recorded. Each is made once, through `log` or,
//! where no logger is installed, as a line on stderr; and [`status`](crate::status()) lists them.
//!
//! A report is made when the state that it is about is final: the logger may use statistics itself. What
//! comes up again inside a logger, on the same thread, is left for the next time.

use std::cell::Cell;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use super::paths::Settings;
use crate::sys::NO_FILES;
use crate::sys::memory::append_list::AppendList;
use crate::sys::process::fork;
use crate::sys::process::stderr;

/// What was reported of a model.
#[derive(Debug)]
pub struct Report {
    /// The model; empty: the process as a whole.
    pub model: Box<str>,
    /// What happened, and what to do.
    pub text: Box<str>,
    /// What tells it from others of the model.
    cause: Box<str>,
    /// The process, in forks, that made it.
    generation: u64,
    /// Whether it is still to be told.
    untold: AtomicBool,
}

static REPORTS: AppendList<Report> = AppendList::new();

/// Reports that one process makes: beyond it something must be going round in circles.
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

/// The same for what comes up while a file is made: [`tell_all`] is called when it is there.
pub fn later(model: &str, cause: &str, text: &dyn Display) {
    enter(model, cause, text, true);
}

/// The same for [`status`](crate::status()) only: for what the user asked for.
pub fn quietly(model: &str, cause: &str, text: &dyn Display) {
    enter(model, cause, text, false);
}

/// Tells what is still to be told, and what is wrong with the settings. Called when a file that was made is there, for
/// a logger may use statistics itself.
pub fn tell_all() {
    for (name, problem) in &Settings::get().problems {
        later("", name, problem);
    }
    if let Some(reason) = NO_FILES {
        return tell_of_platform(reason);
    }
    // Relaxed: of two threads one tells it; nothing else depends on it.
    let untold = || all().filter(|report| report.untold.load(Ordering::Relaxed));
    if untold().next().is_none() {
        return;
    }
    let Some(_reporting) = Reporting::begin() else {
        return;
    };
    // The oldest first.
    let mut reports: Vec<&Report> = untold().collect();
    reports.reverse();
    reports.retain(|report| report.untold.swap(false, Ordering::Relaxed));
    for report in reports {
        let gap = if report.model.is_empty() { "" } else { ": " };
        tell(&format!("mmstats: {}{gap}{}", report.model, report.text));
    }
}

/// Where nothing is recorded anyway, one line is told and not each case, and only to a logger that shows
/// information: it was known when the program was compiled, and its user can do nothing about it.
fn tell_of_platform(reason: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let Some(_reporting) = Reporting::begin() else {
        return;
    };
    // Relaxed: of two threads one tells it; nothing else depends on it.
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::info!(
            "mmstats: {reason}: metrics are kept in private memory, which no other program reads"
        );
    }
}

/// This thread makes a report, until it is dropped.
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
    // Before anything is allocated: an allocator that comes here must not come here again.
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

/// Whether this thread is making a report: another one would be left out.
pub fn is_reporting() -> bool {
    REPORTING.get()
}

/// What this process has reported, the latest first.
pub fn all() -> impl Iterator<Item = &'static Report> {
    let generation = fork::generation();
    REPORTS
        .iter()
        .filter(move |report| report.generation == generation)
}

/// An error and no warning: figures are missing, and many loggers show errors only.
fn tell(text: &str) {
    if log::max_level() == log::LevelFilter::Off {
        if !Settings::get().quiet {
            stderr::write(text);
        }
        return;
    }
    // A logger that uses thread-locals may panic at the end of a thread or process, and an exit handler
    // must not.
    let logged = std::panic::catch_unwind(|| log::error!("{text}"));
    if logged.is_err() {
        stderr::write(text);
    }
}
