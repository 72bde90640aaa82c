//! `mmstats poll`: a line for each interval, like vmstat.

mod changes;
mod columns;
mod filter;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Args;
use mmstats::reader::Model;
use serde_json::{Map, Value as Json, json};

use self::changes::Changes;
use self::columns::{Columns, Values};
use self::filter::Filters;
use crate::commands::arguments::{PATHS, delay};
use crate::input::{Input, Sources, pid};
use crate::names;
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output, progress, waiting};
use mmstats::export::json;
use std::path::Path;

/// Print a line for each interval, like vmstat
///
/// Shows the change per second of counters; the rate and the interval's own median and 99th percentile of timers and
/// percentiles; and the value of all others. A FIELD is a label, a pattern of labels (`*` and `?`), or something that
/// a value exposes: `index.response_time.Percentile95th`. Rates do not become negative when files come and go. The
/// first line comes after the first interval. Times are in UTC. Lines fit the terminal: long titles lose their
/// beginning, and columns that do not fit are named on stderr. Without a FIELD: counts, then levels, as many as fit.
/// A process that ends and a file that goes bad are named on stderr. When all processes of the given PIDs have ended,
/// poll ends.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{POLLED}\n\n{PATHS}"))]
pub struct Poll {
    /// The beginning of every FIELD; titles omit it
    #[arg(short, long, default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// End after this many lines
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Seconds between two lines
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    pub delay: f64,
    /// Only files with this label (a pattern), or with this value of it, as `mmstats show` prints it
    #[arg(short, long = "filter", value_name = "LABEL[=VALUE]")]
    pub filters: Vec<String>,
    /// Print the titles again after this many lines, 0: never
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 20)]
    pub headers: u64,
    /// Print one JSON object on each line
    #[arg(long)]
    pub json: bool,
    /// Print a line for each file
    #[arg(long)]
    pub per_file: bool,
    /// Labels or patterns, with commas between them; one that is a PID, or a path with a `/`, is a PATH
    #[arg(value_name = "FIELD,…")]
    pub fields: Option<String>,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

impl Poll {
    /// Returns the fields as they were typed, and the paths.
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

/// The width for which columns are chosen if the output has none.
const WIDTH: usize = 100;

pub fn run(arguments: &Poll) -> Outcome {
    let (fields, paths) = arguments.fields_and_paths();
    let mut poller = Poller::open(arguments, &paths);
    let first = progress::during("reading stats files", || poller.read());
    let mut clock = Clock::start(Duration::from_secs_f64(arguments.delay));
    first.complain();
    if first.is_empty() {
        return Ok(Exit::Failure);
    }
    let width = output::width();
    let patterns = match fields {
        Some(fields) => patterns(fields, &arguments.prefix, &first),
        None if arguments.json => vec![format!("{}*", arguments.prefix)],
        None => columns::sensible(&first, &arguments.prefix, width.unwrap_or(WIDTH)),
    };
    let find = |input: &Input| Columns::find(input, &patterns, &arguments.prefix, width);
    let mut columns = find(&first);
    for pattern in columns.unmatched() {
        output::complain(&names::no_label(&first, pattern));
    }
    if columns.is_empty() {
        return Ok(Exit::Failure);
    }
    let mut changes = Changes::since(&first);
    // A process that has ended does not come back; files in a directory may.
    let only_processes = !paths.is_empty() && paths.iter().all(|path| pid(path).is_some());
    let mut out = output::stdout();
    let mut lines = 0u64;
    while arguments.count.is_none_or(|count| lines < count) {
        let Some(seconds) = clock.wait() else {
            return Ok(Exit::Success);
        };
        // The time of the tick, however long reading and printing take.
        let time = UNIX_EPOCH.elapsed().unwrap_or_default();
        let input = poller.read();
        for change in changes.tell(&input) {
            output::complain(&change);
        }
        if only_processes && input.is_empty() && changes.is_the_end() {
            break;
        }
        if arguments.json {
            let time = time.as_secs_f64();
            write_json(&mut out, arguments, &patterns, &input, (time, seconds))?;
        } else {
            let now = find(&input);
            // Columns that are gone stay as long as there are no others.
            let changed = !now.is_empty() && now != columns;
            if changed {
                columns = now;
            }
            let headers = arguments.headers;
            if lines == 0 || changed {
                columns.complain_of_left_out();
            }
            if lines == 0 || changed || (headers > 0 && lines.is_multiple_of(headers)) {
                columns.write_header(&mut out, arguments.per_file)?;
            }
            let time = &numbers::date(time.as_nanos() as u64)[11..];
            write_lines(&mut out, arguments, &columns, &input, (time, seconds))?;
        }
        out.flush()?;
        lines += 1;
    }
    Ok(if changes.is_the_end() {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// Returns the patterns of all fields.
fn patterns(fields: &str, prefix: &str, input: &Input) -> Vec<String> {
    let is_known = |name: &str| names::is_known(&format!("{prefix}{name}"), input);
    let fields = names::split(fields, is_known).into_iter();
    fields.map(|field| format!("{prefix}{field}")).collect()
}

/// The sources that are read repeatedly.
struct Poller {
    sources: Sources,
    /// The filters, and the sources that are read to apply them.
    filtered: Option<(Filters, Sources)>,
}

impl Poller {
    fn open(arguments: &Poll, paths: &[PathBuf]) -> Poller {
        let open = || Sources::open(paths);
        let filters = Filters::parse(&arguments.filters);
        let sources = if filters.is_empty() {
            open()
        } else {
            Sources::of_files()
        };
        Poller {
            sources: sources.per_file(arguments.per_file).watched(),
            filtered: (!filters.is_empty()).then(|| (filters, open().per_file(true))),
        }
    }

    fn read(&mut self) -> Input {
        if let Some((filters, all)) = &mut self.filtered {
            let input = all.read();
            let files = (input.apart().filter(|own| filters.pass(own))).filter_map(Model::file);
            (self.sources).set_files(files.map(|file| file.path().to_owned()).collect());
        }
        self.sources.read()
    }
}

/// Ticks that do not drift, however long the work between them takes.
struct Clock {
    begin: Instant,
    delay: Duration,
    last: Instant,
}

impl Clock {
    fn start(delay: Duration) -> Clock {
        let begin = Instant::now();
        Clock {
            begin,
            delay,
            last: begin,
        }
    }

    /// Waits for the next tick. Returns the seconds since the last one, or `None` if nobody reads the output any
    /// more. Missed ticks are left out.
    fn wait(&mut self) -> Option<f64> {
        let next = self.begin + next_tick(self.begin.elapsed(), self.delay);
        if !waiting::until(next) {
            return None;
        }
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        Some(seconds)
    }
}

/// Returns the time of the next tick after `elapsed`, both counted from the start; ticks are `delay` apart.
fn next_tick(elapsed: Duration, delay: Duration) -> Duration {
    let ticks = elapsed.as_nanos() / delay.as_nanos() + 1;
    delay.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

fn write_lines(
    out: &mut impl Write,
    arguments: &Poll,
    columns: &Columns,
    input: &Input,
    time: (&str, f64),
) -> io::Result<()> {
    if !arguments.per_file {
        return columns.write_line(out, time, None, |model| {
            let model = input.merged().find(|found| found.name() == model)?;
            Some(Values::of(model))
        });
    }
    for own in input.apart().filter(|own| columns.concern(own.name())) {
        let path = own.file().map(|file| output::path(file.path()));
        columns.write_line(out, time, path.as_deref(), |model| {
            (own.name() == model).then(|| Values::of(own))
        })?;
    }
    Ok(())
}

/// Writes one object on one line. A value that only rises is shown by its delta, with `rate` per second.
fn write_json(
    out: &mut impl Write,
    arguments: &Poll,
    patterns: &[String],
    input: &Input,
    (time, seconds): (f64, f64),
) -> io::Result<()> {
    let stats = |values: Values<'_>| {
        let wanted = (values.series.iter()).filter(|stat| {
            patterns
                .iter()
                .any(|pattern| names::resolve(pattern, stat).is_some())
        });
        let each = wanted.map(|stat| {
            let delta = values.delta_of(stat.label());
            (
                stat.label().to_owned(),
                json::interval(stat, delta, seconds),
            )
        });
        each.collect::<Map<_, _>>()
    };
    let mut line = json!({"time": time, "seconds": seconds});
    if arguments.per_file {
        let files = input.apart().filter_map(|own| {
            let path = own.file()?.path().to_string_lossy();
            Some(json!({"path": path, "model": own.name(), "stats": stats(Values::of(own))}))
        });
        line["files"] = files.collect::<Vec<Json>>().into();
    } else {
        let models = input.merged().map(|model| {
            let stats = stats(Values::of(model));
            (model.name().to_owned(), json!({"stats": stats}))
        });
        line["models"] = models.collect::<Map<_, _>>().into();
    }
    writeln!(out, "{}", output::json(&line.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift_and_those_that_were_missed_are_left_out() {
        let next =
            |elapsed: u64| next_tick(Duration::from_millis(elapsed), Duration::from_millis(200));
        assert_eq!(
            [0, 1, 199, 200, 201, 950]
                .map(next)
                .map(|at| at.as_millis()),
            [200, 200, 200, 400, 400, 1000]
        );
    }
}
