//! `mmstats`: looks at the statistics of running programs.

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

/// Takes as many descriptors as this process may have. A reader keeps files open while it has less than half of
/// them, and the usual 1,024 are few for a large root.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where that is refused, some files cost a few system calls more.
    let _ = setrlimit(Resource::Nofile, most);
}
