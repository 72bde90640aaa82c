//! What the user typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// The statistics of running programs, read from their stats files.
///
/// A program that uses the library mmstats keeps its statistics in memory-mapped files, one for each
/// thread that writes. This tool reads them at any time, without the program noticing, and after it
/// was killed, too.
#[derive(Debug, Parser)]
#[command(
    name = "mmstats",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "\
Where to begin:
  mmstats ls --all       the files of all programs, wherever they are
  mmstats top 812        what process 812 is doing
  mmstats show --json    all values, for another program
  mmstats help poll      more about a command"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Ls(Ls),
    Show(Show),
    History(History),
    Errors(Errors),
    Poll(Poll),
    Top(Top),
    Diff(Diff),
    Check(Check),
    Autopsy(Autopsy),
    Clean(Clean),
    Demo(Demo),
    Completions(Completions),
    /// Print the manual, for man(1): `mmstats man | man -l -`
    Man,
    #[command(hide = true)]
    DemoService(DemoService),
}

/// Where stats files are looked for.
const PATHS: &str = "\
Where it looks:
  A PATH is a root (the directory that MMSTATS_PATH names), a model's directory below it, one
  stats file, or a process by its number: then its files wherever they are. Without a PATH: the root
  in MMSTATS_PATH, else every usual one that is there: $XDG_RUNTIME_DIR/mmstats,
  /dev/shm/mmstats-<uid> and mmstats-<uid> in the temporary directory. Files of python-mmstats are
  read beside ours: *.mmstats (or MMSTATS_GLOB) in a root, or in the temporary directory.

Exit code:
  0 when something was read, 1 when nothing was, 2 for wrong usage.
  What could not be read is named on stderr and never hides the rest.";

/// List the stats files: one line each
///
/// STATE is `live`; `orphan`: its thread has ended, its process lives; `dead`: its process is gone;
/// or `unknown`: it cannot be found out from here. PID is the process that made the file, TID the
/// thread that writes it. SIZE is its length, TAKES what it takes of its file system (whole huge pages, on
/// some). CREATED is in UTC.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Ls {
    /// Those of every process that may be looked at, whatever its MMSTATS_PATH
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

/// Show the values, merged per model
///
/// One row for each label, merged over all files of the model, with units; of distributions count, mean,
/// p50, p90, p99 and max. With --per-file: each file by itself, one line for everything that a value
/// exposes (`index.response_time.Percentile99th`), times in seconds. With --json: one object. Rates are
/// per second; a sampling counter's own rate is per millisecond: `per_ms`, and in text `Rate`.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{SHOWN}\n\n{SEVERAL}\n\n{PATHS}"))]
pub struct Show {
    /// Only these labels: a label, a pattern (`*` and `?`), or something that a value exposes
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// Repeat it every so many seconds (1 if not given), until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          conflicts_with_all = ["json", "save"])]
    pub watch: Option<String>,
    /// Print one JSON object, merged over the files of each model
    #[arg(long)]
    pub json: bool,
    /// Write the JSON object to a file, for `mmstats diff`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Each file's own values; with --json: in `files[].stats`, beside the merged ones
    #[arg(long)]
    pub per_file: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

impl Show {
    /// The seconds of --watch, and the paths. What follows --watch and is no number of seconds is a path.
    pub fn watch(&self) -> Result<(Option<f64>, Vec<PathBuf>), String> {
        let mut paths = self.paths.clone();
        let seconds = match &self.watch {
            Some(text) if text.parse::<f64>().is_ok() => Some(delay(text)?),
            Some(text) => {
                paths.insert(0, text.into());
                Some(1.0)
            }
            None => None,
        };
        Ok((seconds, paths))
    }
}

const SHOWN: &str = "\
Examples:
  mmstats show -l 'index.*' -l requests /run/app      some labels
  mmstats show -l '*.Percentile95th' /run/app         what values expose
  mmstats show --watch 5 /run/app                     again every five seconds

Names:
  poll, diff, errors and history take the names that are shown here.";

/// Print a line for each interval, as vmstat does
///
/// Of counters the change per second; of timers and percentiles the rate, and the interval's own median
/// and 99th percentile; of all others the value. A FIELD is a label, a pattern of labels (`*` and `?`),
/// or something that a value exposes: `index.response_time.Percentile95th`. Files that come and go make
/// no rate negative. The first line comes after the first interval. Times are in UTC. Lines fit the
/// terminal: long titles lose their beginning, and columns without a place are named on stderr. Without a
/// FIELD: what counts, then levels, as many as have a place. A process that ends and a file that goes bad
/// are named on stderr; when all processes of the given PIDs have ended, poll ends.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{POLLED}\n\n{PATHS}"))]
pub struct Poll {
    /// What every FIELD begins with; the titles go without it
    #[arg(short, long, default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// End after so many lines
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Seconds between two lines
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    pub delay: f64,
    /// Only files that have this label (a pattern), or this value of it, as `mmstats show` prints it
    #[arg(short, long = "filter", value_name = "LABEL[=VALUE]")]
    pub filters: Vec<String>,
    /// Print the titles again after so many lines, 0: never
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 20)]
    pub headers: u64,
    /// One JSON object on each line
    #[arg(long)]
    pub json: bool,
    /// A line for each file
    #[arg(long)]
    pub per_file: bool,
    /// Labels or patterns, with commas between them; one that is a PID, or a path with a `/`, is a PATH
    #[arg(value_name = "FIELD,…")]
    pub fields: Option<String>,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

impl Poll {
    /// The fields as they were typed, and the paths.
    pub fn fields_and_paths(&self) -> (Option<&str>, Vec<PathBuf>) {
        let is_path = |text: &str| {
            let path = Path::new(text);
            let named = text.contains('/') || text == "." || text == "..";
            (named && path.exists()) || text.parse::<u32>().is_ok()
        };
        match self.fields.as_deref() {
            Some(first) if is_path(first) => {
                let paths = [PathBuf::from(first)].into_iter();
                (None, paths.chain(self.paths.iter().cloned()).collect())
            }
            fields => (fields, self.paths.clone()),
        }
    }
}

const POLLED: &str = "\
Examples:
  mmstats poll 'requests,index.*' /run/app       rates of a root, every second
  mmstats poll -p index. -d 5 -c 12 '*' 812      of process 812, for a minute
  mmstats poll -f sys.pid=812 --per-file '*'     its threads one by one
  mmstats poll 812                               whatever fits of process 812

Exit code of a poll that ends:
  0 when files could be read to the end, 1 when a file went bad or every process has ended, 2 for wrong
  usage.";

/// Seconds from a hundredth to a day.
fn delay(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("wants seconds from 0.01 to 86400".to_owned()),
    }
}

/// Watch models, processes, threads and labels
///
/// On the left models, their processes and the threads of these; on the right the labels of what is
/// selected, with value, rate, the interval's mean, median and 99th percentile, and the last minutes;
/// below where the values of a timer were over time. Enter on a label shows it by thread, with its last
/// values and their contexts, or its errors. The line below tells which processes started, ended or
/// vanished. Without files it waits for them. `?` lists the keys; NO_COLOR turns colours off.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Top {
    /// Seconds between two readings
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    pub delay: f64,
    /// Draw with ASCII only [default: unless the locale says UTF-8]
    #[arg(long)]
    pub ascii: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

/// Compare two snapshots, saved or live
///
/// Which values are different, the largest change first: counters with their rate; of distributions the
/// mean and the percentiles of what was recorded between A and B, against those of A. A or B is a file that
/// `mmstats show --save` wrote, or any PATH, which is read now.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  mmstats show --save before.json /run/app
  …
  mmstats diff before.json /run/app
  mmstats diff --fail-above 20% -l '*.Percentile99th' before.json after.json

Where B has fewer values than A in a bucket of a distribution, B does not go on from A (another run, say):
then all of B is compared with all of A.

Exit code:
  0 when both were read, whether or not they differ; 1 when one was not, or a label of -l is in neither;
  2 for wrong usage; 3 when a value changed by more than --fail-above.")]
pub struct Diff {
    /// Only these labels: a label, a pattern (`*` and `?`), or something that a value exposes
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// End with exit code 3 if a value changed by more than N percent, up or down
    #[arg(long, value_name = "N%", value_parser = percent)]
    pub fail_above: Option<f64>,
    /// The earlier one
    pub a: PathBuf,
    /// The later one
    pub b: PathBuf,
}

/// Percent, with or without the sign.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse() {
        Ok(percent) if (0.0..f64::INFINITY).contains(&percent) => Ok(percent),
        _ => Err("wants a percentage from 0 on, as in 20%".to_owned()),
    }
}

/// Verify the files, and warn about what will hurt
///
/// Every byte of every file against the format: what is wrong and where. Then their place: a disk
/// instead of memory, permissions, files of dead processes that pile up, files that are nearly full or
/// were removed under their writer, groups at their cap. In each root that it may write to it makes a
/// file for a moment and tests that words are read whole while they are written.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Exit code:
  0 when there are no errors (there may be warnings), 1 when there are or nothing was found, 2 for
  wrong usage.")]
pub struct Check {
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

/// Say how processes ended, and their last values
///
/// Of processes that have ended and left their files: when each started, how it ended where that is
/// known (clean, by a panic, or vanished), the newest time that one of its values has, and all values as
/// they were. The message of a panic is there if the program has called mmstats::install_panic_hook().
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Autopsy {
    /// Roots, models' directories, stats files, or PIDs of processes that have ended
    pub paths: Vec<PathBuf>,
}

/// Remove the files of processes that have ended
///
/// Only files whose process is proved dead: by the lock that it would hold, and by its pid, start time
/// and boot. Others are left alone, and so is what is no stats file. Files whose state is `unknown`
/// (another machine, another pid namespace) can never be proved: --unknown removes them by age. With --fold their totals stay, in
/// one retired file for each model, which readers count with the others.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Where it looks:
  A PATH is a root, a model's directory or one stats file; without one: the usual roots.

Exit code:
  0 when all that was to be done was done (also when there was nothing), 1 when something could not
  be read, removed or folded, 2 for wrong usage.")]
pub struct Clean {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Leave files that were made, or grew, less than this ago: 14d, 12h, 30m …
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<Duration>,
    /// Also files whose state is `unknown`, if they are older than --older-than and no process of this
    /// machine has them mapped
    #[arg(long, requires = "older_than")]
    pub unknown: bool,
    /// Keep the totals: add them to the retired file of each model first
    #[arg(long)]
    pub fold: bool,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

/// An age with its unit.
fn age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| {
        "an age is a number and its unit: 30s, 45m, 12h, 14d, or several, as in \"1d 12h\""
            .to_owned()
    })
}

const SEVERAL: &str = "\
Several PATHs in JSON:
  `path` has them all, joined with ':'. Files are merged within one PATH only: a model that an
  earlier PATH has, too, appears as \"<model>@<path>\".";

/// Show a history: the last values, with times and contexts
///
/// The values of a label, newest first, merged over the files of each model that has it; each with
/// its context, if it has one. Times are in UTC.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct History {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The label or a pattern: `task.history`, or `task` for what is recorded by name
    pub label: String,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

/// Show the errors: what went wrong, how often, when first and when last
///
/// Each distinct error, the one that came last first, merged over the files of each model; with what
/// caused it, and with --backtrace its backtrace, if RUST_BACKTRACE asked for one when it was recorded.
/// Times are in UTC. A file keeps the 256 distinct errors that were seen last; where others were evicted,
/// the counts of each name and place, which are kept for ever, are shown as well.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Errors {
    /// Only these error logs or errors: `errors`, `errors__EXC:ParseIntError`; `*` and `?` match any
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// Show the backtraces, too
    #[arg(long)]
    pub backtrace: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

/// Watch a small web service at work: a live table of its rates and percentiles
///
/// Starts a real HTTP service on 127.0.0.1 as a process of its own, all its threads instrumented with
/// mmstats; sends it a bounded number of requests a second; and shows what its stats files say while
/// it works. Ends by itself, or with Ctrl-C, and then compares what the service counted with what its
/// clients did. Run `mmstats show` beside it, with the path that it prints.
#[derive(Args, Debug)]
pub struct Demo {
    /// How long it runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Worker threads of the service
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// The root for the stats files [default: $MMSTATS_PATH, else a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

/// Print what completes commands and options in a shell
///
/// For example: `mmstats completions bash > /etc/bash_completion.d/mmstats`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// The service of the demo: a process of its own, which the demo starts
#[derive(Args, Debug)]
pub struct DemoService {
    /// Worker threads
    #[arg(long)]
    pub threads: u16,
}
