//! `mmstats push otlp`: the loop around a pusher.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mmstats::Stats;
use mmstats::push::otlp::{self, Error, Options, Pushed, Pusher};
use mmstats::reader::guard_sigbus;

use super::figures::Figures;
use super::interval;
use crate::commands::arguments::PATHS;
use crate::ui::output::{self, Exit, Outcome};
use crate::ui::stop::Stop;

/// Push to an OpenTelemetry collector, or any other receiver of OTLP over HTTP or gRPC
///
/// The variables OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are honoured. If a receiver
/// cannot be reached, or refuses temporarily (429, 502, 503, 504; or gRPC's UNAVAILABLE and similar codes), it is
/// tried again, each time with the current values of the files. HTTP uses the proxy that ALL_PROXY, HTTPS_PROXY or
/// HTTP_PROXY names, unless NO_PROXY names the receiver; gRPC uses none.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{PATHS}"))]
pub struct Otlp {
    /// The base URL of the receiver, to which HTTP appends /v1/metrics [default: from the environment, or
    /// http://localhost:4318, with gRPC http://localhost:4317]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The protocol [default: from the environment, or http/protobuf]
    #[arg(long)]
    protocol: Option<Protocol>,
    /// The time from one push to the next
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    interval: Duration,
    /// Push once, and exit with 0 if everything was accepted
    #[arg(long)]
    once: bool,
    /// Roots, models' directories, stats files or PIDs
    paths: Vec<PathBuf>,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    /// Protobuf over HTTP
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// gRPC
    #[cfg(feature = "push-grpc")]
    Grpc,
}

impl From<Protocol> for otlp::Protocol {
    fn from(protocol: Protocol) -> otlp::Protocol {
        match protocol {
            Protocol::HttpProtobuf => otlp::Protocol::HttpProtobuf,
            #[cfg(feature = "push-grpc")]
            Protocol::Grpc => otlp::Protocol::Grpc,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  mmstats push otlp /run/app                                     to http://localhost:4318/v1/metrics
  mmstats push otlp --endpoint http://collector:4318 /run/app
  mmstats push otlp --protocol grpc --endpoint http://collector:4317 /run/app
  mmstats push otlp --once /run/app                              from cron";

/// How long the process may run after a signal, and how much of that the last push may take.
const GRACE: Duration = Duration::from_millis(4800);
const LAST_PUSH: Duration = Duration::from_secs(4);

pub fn run(arguments: &Otlp) -> Outcome {
    if let Err(error) = guard_sigbus() {
        log::warn!(
            "a stats file that is cut short while it is read will end this program: {error}"
        );
    }
    let protocol = arguments.protocol.map(otlp::Protocol::from);
    let mut options = Options::from_env_but(protocol, arguments.endpoint.as_deref())?;
    options.paths.clone_from(&arguments.paths);
    let timeout = options.timeout;
    let stop = Stop::listen(GRACE)?;
    if arguments.once {
        return once(Pusher::once(options)?, &stop, timeout);
    }
    Loop {
        pusher: Pusher::new(options)?,
        figures: Figures::start(),
        failing: None,
    }
    .run(&stop, arguments.interval)
}

/// Pushes until a push is accepted, or a retry would be later than `timeout`.
fn once(mut pusher: Pusher, stop: &Stop, timeout: Duration) -> Outcome {
    let end = Instant::now() + timeout;
    loop {
        let error = match pusher.push() {
            Ok(pushed) if is_all(&pushed) => return Ok(Exit::Success),
            // What is missing has been reported.
            Ok(_) => return Ok(Exit::Failure),
            Err(error) => error,
        };
        match error.retry_after() {
            Some(wait) if Instant::now() + wait < end => {
                if stop.within(wait) {
                    return Err(error.into());
                }
            }
            _ => return Err(error.into()),
        }
    }
}

fn is_all(pushed: &Pushed) -> bool {
    pushed.rejected == 0 && pushed.unread == 0
}

/// Pushes again and again.
struct Loop {
    pusher: Pusher,
    figures: Option<Stats<Figures>>,
    /// The problem since the last success, which is reported once.
    failing: Option<String>,
}

impl Loop {
    fn run(mut self, stop: &Stop, interval: Duration) -> Outcome {
        let mut next = Instant::now();
        loop {
            let began = Instant::now();
            let result = self.pusher.push();
            self.record(&result);
            if let Err(error @ (Error::Locked { .. } | Error::Options(_))) = result {
                return Err(error.into());
            }
            next = match result.as_ref().err().and_then(Error::retry_after) {
                Some(wait) => Instant::now() + wait,
                // After a pause (the machine slept), missed pushes are not made up for.
                None => (next + interval).max(began),
            };
            if stop.within(next.saturating_duration_since(Instant::now())) {
                let last = self.pusher.push_within(LAST_PUSH);
                self.record(&last);
                return Ok(match last {
                    Ok(_) => Exit::Success,
                    Err(_) => Exit::Failure,
                });
            }
        }
    }

    fn record(&mut self, result: &Result<Pushed, Error>) {
        let dropped = match result {
            Ok(pushed) => pushed.rejected,
            Err(Error::Failed { dropped, .. }) => *dropped,
            Err(_) => 0,
        };
        if let Some(figures) = &self.figures {
            figures.record(result.is_ok(), dropped);
        }
        match result {
            Ok(_) => {
                if self.failing.take().is_some() {
                    output::complain("pushing again");
                }
            }
            Err(error) => {
                let problem = error.to_string();
                if self.failing.as_ref() != Some(&problem) {
                    output::complain(&problem);
                }
                self.failing = Some(problem);
            }
        }
    }
}
