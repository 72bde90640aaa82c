//! `mmstats top`: shows live what all programs are doing.

mod draw;
mod events;
mod history;
mod keyboard;
pub mod keys;
mod process;
mod rows;
mod series;
mod state;
mod terminal;
mod tree;
mod trouble;

use std::collections::BTreeSet;
use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Args;
use mmstats::reader::{File, Model, State};

use self::draw::Scrolled;
use self::keyboard::Keyboard;
use self::process::Meter;
use self::rows::Histories;
use self::state::{App, Effect};
use self::terminal::Terminal;
use self::tree::Scope;
use crate::commands::arguments::{PATHS, delay};
use crate::input::{Input, Sources, lives, pid};
use crate::ui::output::{Exit, Outcome};
use crate::ui::stop::{Stop, WakeReason};
use crate::ui::{numbers, output, progress};

/// Watch models, processes, threads and labels
///
/// On the left are models, their processes and the threads of these. On the right are the labels of the selection,
/// with value, rate, the interval's mean, median and 99th percentile, and the last minutes; below them is a map of a
/// timer's values over time. Enter on a label shows it by thread, with its last values and their contexts, or its
/// errors. The line at the bottom tells which processes started, ended or vanished. Without files, top waits for
/// them. `?` lists the keys; NO_COLOR turns colours off.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Top {
    /// Seconds between two readings
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    pub delay: f64,
    /// Draw with ASCII only [default: unless the locale uses UTF-8]
    #[arg(long)]
    pub ascii: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

/// How long it may take to restore the terminal.
const GRACE: Duration = Duration::from_millis(800);

pub fn run(arguments: &Top) -> Outcome {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(
            "top needs a terminal; use `mmstats poll` for lines, or `mmstats show` for a single view".into(),
        );
    }
    let mut sources = Sources::open(&arguments.paths).watched();
    let began = Instant::now();
    let first = progress::during("reading stats files", || sources.read());
    let is_pid = |path: &PathBuf| pid(path).is_some_and(|pid| !lives(pid));
    if first.is_empty() && !arguments.paths.is_empty() && arguments.paths.iter().all(is_pid) {
        // It does not wait for a process that has ended.
        first.complain();
        return Ok(Exit::Failure);
    }
    let app = App {
        ascii: arguments.ascii || !is_utf8(),
        colours: output::has_colours(),
        place: place(arguments),
        ..App::default()
    };
    let mut watch = Watch {
        sources,
        drilled: None,
        paths: arguments.paths.clone(),
        took: began.elapsed(),
        meter: None,
        scoped: None,
        input: first,
        read: Instant::now(),
        seconds: 0.0,
        app,
    };
    watch.show();
    let stop = Stop::listen(GRACE)?;
    let mut terminal = Terminal::enter()?;
    let ended = watch.run(arguments, &stop, &mut terminal);
    // Before any message is printed.
    drop(terminal);
    ended.map(|()| Exit::Success)
}

/// What is watched, and its current state.
struct Watch {
    sources: Sources,
    paths: Vec<PathBuf>,
    /// How long the last reading took.
    took: Duration,
    /// The meter of the selected process.
    meter: Option<Meter>,
    /// The selected process or thread, with its own sources.
    scoped: Option<(Scope, Sources)>,
    /// The files of a series that is shown in full, each read separately.
    drilled: Option<(Scope, Sources)>,
    input: Input,
    /// When.
    read: Instant,
    /// The seconds from the previous reading to this one; 0 if there was none.
    seconds: f64,
    app: App,
}

impl Watch {
    fn run(
        &mut self,
        arguments: &Top,
        stop: &Stop,
        terminal: &mut Terminal,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let delay = Duration::from_secs_f64(arguments.delay);
        let mut scrolled = Scrolled::default();
        let mut keyboard = Keyboard::default();
        let mut next = Instant::now() + delay;
        loop {
            if let Err(error) = terminal.draw(|frame| draw::draw(frame, &self.app, &mut scrolled)) {
                // If the terminal is gone, there is nothing to report and nowhere to report it.
                return if stop.within(Duration::ZERO) {
                    Ok(())
                } else {
                    Err(error.into())
                };
            }
            let left = next.saturating_duration_since(Instant::now());
            match stop.or_input_within(left) {
                WakeReason::Stop => return Ok(()),
                WakeReason::Time => {}
                WakeReason::Input => {
                    let Some(keys) = keyboard.read()? else {
                        return Ok(());
                    };
                    for key in keys {
                        match self.app.on_key(key) {
                            Effect::Quit => return Ok(()),
                            Effect::Suspend => terminal.suspend()?,
                            Effect::Rescope => self.rescope(),
                            Effect::Nothing => {}
                        }
                    }
                }
            }
            if Instant::now() >= next {
                if !self.app.frozen {
                    self.refresh();
                }
                next = (next + delay).max(Instant::now());
            }
        }
    }

    /// Reads everything anew.
    fn refresh(&mut self) {
        let now = Instant::now();
        self.seconds = (now - self.read).as_secs_f64();
        self.read = now;
        if self.input.is_empty() {
            // The root may not have existed when it was opened.
            self.sources = Sources::open(&self.paths).watched();
        }
        self.input = self.sources.read();
        self.took = now.elapsed();
        self.show();
    }

    /// Updates the state from the last reading.
    fn show(&mut self) {
        self.app.tree.update(self.input.files());
        let seconds = self.seconds;
        if seconds > 0.0 {
            for model in self
                .input
                .snapshots
                .iter()
                .flat_map(|snapshot| snapshot.models())
            {
                self.app.histories.add(model, seconds);
            }
        }
        self.app.trouble = trouble::of(&self.input);
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
        let time = &numbers::date(now)[11..];
        self.app.events.update(self.input.files(), time);
        self.app.time = format!("{time} UTC");
        self.app.is_waiting = self.input.is_empty();
        let living = self
            .input
            .files()
            .filter(|file| file.state() != State::Dead);
        let processes: BTreeSet<u32> = living.map(File::pid).collect();
        self.app.counts = format!(
            "{}, {}, read in {}",
            numbers::counted(processes.len() as u64, "process", "processes"),
            numbers::counted(self.input.files().count() as u64, "file", "files"),
            numbers::duration(self.took.as_nanos() as u64)
        );
        self.show_rows(true);
        self.show_series();
    }

    /// Shows the labels of the current selection.
    fn rescope(&mut self) {
        self.app.tree.update(self.input.files());
        self.show_rows(false);
        self.show_series();
    }

    /// Reads the files of the series that is shown in full, if any. The first reading has nothing to compare with.
    fn show_series(&mut self) {
        let (Some(label), Some(scope)) = (&self.app.series, self.app.tree.selected()) else {
            self.drilled = None;
            return;
        };
        let is_new = (self.drilled.as_ref()).is_none_or(|(drilled, _)| drilled != scope);
        if is_new {
            let sources = Sources::of_files().per_file(true).watched();
            self.drilled = Some((scope.clone(), sources));
        }
        let Some((_, sources)) = &mut self.drilled else {
            return;
        };
        let files = self.input.files().filter(|file| scope.has(file));
        sources.set_files(files.map(|file| file.path().to_owned()).collect());
        let input = sources.read();
        let seconds = if is_new { 0.0 } else { self.seconds };
        let merged = input.merged().find(|model| model.name() == scope.model());
        let merged = merged.map(Model::series).unwrap_or_default();
        self.app.lines = series::lines(label, merged, input.apart(), seconds);
    }

    /// Updates the rows. `is_next` says that an interval has passed.
    fn show_rows(&mut self, is_next: bool) {
        let seconds = self.seconds;
        let pid = self.app.tree.selected().and_then(Scope::pid);
        let is_other = self.meter.as_ref().map(Meter::pid) != pid;
        if is_other {
            self.meter = pid.map(Meter::new);
        }
        if is_other || is_next {
            self.app.usage = self.meter.as_mut().map(Meter::read).unwrap_or_default();
        }
        let Some(scope) = self.app.tree.selected().cloned() else {
            self.app.set_rows(Vec::new());
            return;
        };
        if let Scope::Model(name) = &scope {
            self.scoped = None;
            self.app.set_rows(model(&self.input, name, |model| {
                rows::of_model(model, seconds)
            }));
            return;
        }
        let files = self.input.files().filter(|file| scope.has(file));
        let files = files.map(|file| file.path().to_owned()).collect();
        let is_new = self
            .scoped
            .as_ref()
            .is_none_or(|(scoped, _)| *scoped != scope);
        if is_new {
            self.scoped = Some((scope.clone(), Sources::of_files().watched()));
            self.app.scoped = Histories::default();
        }
        let Some((_, sources)) = &mut self.scoped else {
            return;
        };
        if is_new || is_next {
            sources.set_files(files);
            let input = sources.read();
            let seconds = if is_new { 0.0 } else { seconds };
            let histories = &mut self.app.scoped;
            let rows = model(&input, scope.model(), |model| {
                if seconds > 0.0 {
                    histories.add(model, seconds);
                }
                rows::of_model(model, seconds)
            });
            self.app.set_rows(rows);
        }
    }
}

/// Returns the rows of all models with a name: there is one for each path that has it.
fn model(
    input: &Input,
    name: &str,
    mut rows: impl FnMut(&Model) -> Vec<rows::Row>,
) -> Vec<rows::Row> {
    let models = input
        .snapshots
        .iter()
        .flat_map(|snapshot| snapshot.models());
    models
        .filter(|model| model.name() == name)
        .flat_map(&mut rows)
        .collect()
}

/// Returns whether the terminal supports more than ASCII, according to the environment.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = set
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn place(arguments: &Top) -> String {
    match &*arguments.paths {
        [] => env::var("MMSTATS_PATH").map_or_else(
            |_| "all usual roots".to_owned(),
            |root| output::printed(&root),
        ),
        paths => paths
            .iter()
            .map(|path| output::path(path))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
