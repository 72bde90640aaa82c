//! `mmstats push`: pushes the values to another system again and again.

mod figures;
mod otlp;
mod redis;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::ui::output::Outcome;

/// Push the values to an OpenTelemetry collector or to Redis
///
/// Runs beside a service until SIGTERM or Ctrl-C, and then pushes a last time. It only reads, and waits for files if
/// there are none yet.
#[derive(Args, Debug)]
pub struct Push {
    #[command(subcommand)]
    destination: Destination,
}

#[derive(Debug, Subcommand)]
enum Destination {
    Otlp(otlp::Otlp),
    Redis(redis::Redis),
}

pub fn run(arguments: &Push) -> Outcome {
    match &arguments.destination {
        Destination::Otlp(arguments) => otlp::run(arguments),
        Destination::Redis(arguments) => redis::run(arguments),
    }
}

/// Parses the time between two pushes.
fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(100);
    let most = Duration::from_secs(86_400);
    match humantime::parse_duration(text) {
        Ok(time) if (least..=most).contains(&time) => Ok(time),
        Ok(_) => Err("expected a time from 100ms to 24h".to_owned()),
        Err(error) => Err(format!("{error}: expected a time, as in 10s")),
    }
}
