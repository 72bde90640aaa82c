//! `mmstats clean`: removes, or folds, the files of processes that have ended.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mmstats::reader::{File, State};
use mmstats::retire::{Cleaner, Outcome as Done};

use crate::input::Input;
use crate::ui::numbers::counted;
use crate::ui::output::{Exit, Outcome};
use crate::ui::{output, progress};

/// Remove the files of processes that have ended
///
/// Removes only files whose process is proved dead: by the lock that it would hold, and by its pid, start time and
/// boot. All other files are left alone. For files whose state is `unknown` (another machine, another pid namespace)
/// there is no proof: --unknown removes them by age. With --fold the totals are kept, in one retired file for each
/// model, which readers count with the others.
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
    /// Keep files that were made, or grew, less than this ago: 14d, 12h, 30m …
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<Duration>,
    /// Also remove files whose state is `unknown`, if they are older than --older-than and no process of this machine
    /// has them mapped
    #[arg(long, requires = "older_than")]
    pub unknown: bool,
    /// Keep the totals: add them to the retired file of each model first
    #[arg(long)]
    pub fold: bool,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

/// Parses an age with its unit.
fn age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| {
        "an age is a number and its unit: 30s, 45m, 12h, 14d, or several, as in \"1d 12h\""
            .to_owned()
    })
}

pub fn run(arguments: &Clean) -> Outcome {
    let cleaner = Cleaner::new()
        .dry_run(arguments.dry_run)
        .fold(arguments.fold)
        .unknown(arguments.unknown)
        .older_than(arguments.older_than.unwrap_or(Duration::ZERO))
        .on_wait(|directory| {
            let path = output::path(directory);
            output::complain(&format!(
                "{path}: waiting for another process that folds files there"
            ));
        });
    let mut out = output::stdout();
    let (mut done, mut failed) = (0, false);
    let clean = |path: &PathBuf| progress::during("cleaning stats files", || cleaner.clean(path));
    let cleaned: Vec<_> = match &*arguments.paths {
        [] => vec![progress::during("cleaning stats files", || {
            cleaner.clean_env()
        })],
        paths => paths.iter().map(clean).collect(),
    };
    for cleaned in cleaned {
        let cleaned = match cleaned {
            Ok(cleaned) => cleaned,
            Err(error) => {
                failed = true;
                output::complain(&error.to_string());
                continue;
            }
        };
        for (path, outcome) in cleaned.files() {
            let what = match (arguments.dry_run, outcome) {
                (false, Done::Removed) => "removed",
                (false, Done::Folded) => "folded",
                (true, Done::Removed) => "would remove",
                (true, Done::Folded) => "would fold",
            };
            writeln!(out, "{what} {}", output::path(path))?;
            done += 1;
        }
        for problem in cleaned.problems() {
            failed = true;
            let path = output::path(problem.path());
            output::complain(&format!("{path}: {}", problem.error()));
        }
    }
    out.flush()?;
    if done == 0 && !failed {
        output::complain(&nothing(arguments, &Input::read(&arguments.paths, false)));
    }
    Ok(if failed { Exit::Failure } else { Exit::Success })
}

/// Returns why nothing was cleaned: what exists, and why it stays.
fn nothing(arguments: &Clean, input: &Input) -> String {
    let mut kept = KeptFiles::default();
    input.files().for_each(|file| kept.add(file));
    let places: Vec<_> = arguments
        .paths
        .iter()
        .map(|path| output::path(path))
        .collect();
    let place = if places.is_empty() {
        "the usual roots".to_owned()
    } else {
        places.join(", ")
    };
    let reasons = kept.reasons(arguments.older_than);
    if reasons.is_empty() {
        return format!("nothing to clean in {place}: there are no stats files");
    }
    format!("nothing to clean in {place}:\n  {}", reasons.join("\n  "))
}

/// Files that stay, by reason.
#[derive(Default)]
struct KeptFiles {
    living: usize,
    unknown: usize,
    young: usize,
    old_format: usize,
    retired: Vec<(String, u64)>,
}

impl KeptFiles {
    fn add(&mut self, file: &File) {
        match (file.retired(), file.state()) {
            (Some(folds), _) => self.retired.push((output::path(file.path()), folds)),
            _ if file.format() != 3 => self.old_format += 1,
            (_, State::Live | State::Orphan) => self.living += 1,
            (_, State::Unknown) => self.unknown += 1,
            // It was not removed and nothing went wrong, so the reason is its age.
            (_, State::Dead) => self.young += 1,
        }
    }

    fn reasons(&self, older_than: Option<Duration>) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut add = |count: usize, why: String| {
            if count > 0 {
                reasons.push(format!("{} {why}", counted(count as u64, "file", "files")));
            }
        };
        add(
            self.living,
            "of a process that is alive: it goes when the process ends".to_owned(),
        );
        add(
            self.unknown,
            "whose process may be alive: nothing here proves that it has ended".to_owned(),
        );
        add(
            self.young,
            match older_than {
                Some(age) => format!(
                    "of a process that has ended, but younger than {}: without --older-than it is \
                     removed",
                    humantime::format_duration(age)
                ),
                None => "of a process that has just ended: run this again".to_owned(),
            },
        );
        add(
            self.old_format,
            "of python-mmstats, which does not record its owner: remove it with rm".to_owned(),
        );
        reasons.extend(self.retired.iter().map(|(path, folds)| {
            let ended = counted(*folds, "file", "files");
            format!(
                "{path} holds the totals of {ended} of processes that have ended, and stays: `rm {path}` \
                 removes it, and these totals with it"
            )
        }));
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_has_its_own_reason() {
        let kept = KeptFiles {
            living: 2,
            young: 1,
            retired: vec![("/r/m/mmstats-retired".to_owned(), 3)],
            ..KeptFiles::default()
        };
        let reasons = kept.reasons(Some(Duration::from_secs(3600)));
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        assert!(reasons[0].starts_with("2 files of a process that is alive"));
        assert!(reasons[1].starts_with("1 file of a process that has ended, but younger than 1h"));
        assert!(reasons[2].contains("totals of 3 files") && reasons[2].contains("`rm /r/m"));
    }
}
