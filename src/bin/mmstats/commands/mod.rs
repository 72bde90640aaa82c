//! The commands: each file has the arguments of a command and its implementation.

mod arguments;
mod autopsy;
mod check;
mod clean;
mod demo;
pub mod diff;
mod errors;
mod export;
mod history;
mod ls;
mod manual;
mod poll;
#[cfg(feature = "push")]
mod push;
#[cfg(feature = "serve")]
mod serve;
pub mod show;
pub mod top;

use clap::{Parser, Subcommand};

use crate::ui::output::Outcome;

/// The statistics of running programs, read from their stats files.
///
/// A program that uses the library mmstats keeps its statistics in memory-mapped files, one for each thread that
/// writes. This tool reads them at any time, without the program noticing, even after it was killed.
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
    Ls(ls::Ls),
    Show(show::Show),
    History(history::History),
    Errors(errors::Errors),
    Poll(poll::Poll),
    Top(top::Top),
    Diff(diff::Diff),
    Check(check::Check),
    Autopsy(autopsy::Autopsy),
    Export(export::Export),
    #[cfg(feature = "serve")]
    Serve(serve::Serve),
    #[cfg(feature = "push")]
    Push(push::Push),
    Clean(clean::Clean),
    Demo(demo::Demo),
    Completions(manual::Completions),
    /// Print the manual, for man(1): `mmstats man | man -l -`
    Man,
    #[command(hide = true)]
    DemoService(demo::DemoService),
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        match self {
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
            Command::Export(arguments) => export::run(&arguments),
            #[cfg(feature = "push")]
            Command::Push(arguments) => push::run(&arguments),
            #[cfg(feature = "serve")]
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::DemoService(arguments) => demo::serve(&arguments),
        }
    }
}
