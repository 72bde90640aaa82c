//! `mmstats push`: sends the values to where they are kept for many machines.

mod redis;

use clap::{Args, Subcommand};

use crate::ui::output::Outcome;

/// Push the values to where they are kept for many machines
#[derive(Args, Debug)]
pub struct Push {
    #[command(subcommand)]
    to: To,
}

#[derive(Debug, Subcommand)]
enum To {
    Redis(redis::Redis),
}

pub fn run(arguments: &Push) -> Outcome {
    match &arguments.to {
        To::Redis(arguments) => redis::run(arguments),
    }
}
