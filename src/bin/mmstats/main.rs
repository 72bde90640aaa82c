//! `mmstats`: looks at the statistics of running programs.

mod arguments;
mod autopsy;
mod check;
mod clean;
mod demo;
mod diff;
mod errors;
mod history;
mod input;
mod json;
mod ls;
mod manual;
mod names;
mod numbers;
mod output;
mod poll;
mod progress;
mod show;
mod stop;
mod top;
mod waiting;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::arguments::{Arguments, Command};

/// What a command comes to: how the process ends, or what went wrong in words for the user.
type Outcome = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::log_to_stderr();
    allow_open_files();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
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

fn run(command: Command) -> Outcome {
    match command {
        Command::Ls(arguments) => ls::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Errors(arguments) => errors::run(&arguments),
        Command::Poll(arguments) => poll::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man => manual::man(),
        Command::Autopsy(arguments) => autopsy::run(&arguments),
        Command::Clean(arguments) => clean::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::DemoService(arguments) => demo::serve(&arguments),
    }
}
