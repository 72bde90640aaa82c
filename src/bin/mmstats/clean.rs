//! `mmstats clean`: removes, or folds, the files of processes that have ended.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use mmstats::reader;
use mmstats::retire::{Cleaner, Outcome as Done};

use crate::arguments::Clean;
use crate::{Outcome, output, progress};

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
    let usual = reader::roots();
    let paths = match &*arguments.paths {
        [] => &usual,
        paths => paths,
    };
    let mut out = BufWriter::new(io::stdout().lock());
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
        let places: Vec<_> = paths.iter().map(|path| output::path(path)).collect();
        output::complain(&format!(
            "nothing to clean in {}: every stats file there is of a process that lives, or may",
            if places.is_empty() {
                "the usual roots".to_owned()
            } else {
                places.join(", ")
            }
        ));
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
