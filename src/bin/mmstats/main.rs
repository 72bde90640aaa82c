//! `mmstats`: shows the statistics of running programs.

mod commands;
mod input;
mod names;
mod ui;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::commands::Arguments;
use self::ui::output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::log_to_stderr();
    allow_open_files();
    output::end(arguments.command.run())
}

/// Raises the limit of descriptors to its maximum. A reader keeps files open while they take less than half of the
/// limit, and the usual 1,024 are few for a large root.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // If that is refused, some files cost a few more system calls.
    let _ = setrlimit(Resource::Nofile, most);
}
