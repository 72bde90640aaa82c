//! `mmstats push redis`: into the keys of aka-stats, again and again or once.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use mmstats::push::redis::{Error, HISTORY_SIZE, NAMESPACE, OWN_MODEL, Pusher};
use mmstats::{MmStats, Stats};

use crate::commands::arguments::PATHS;
use crate::commands::push::figures::Figures;
use crate::commands::push::interval;
use crate::input::Sources;
use crate::ui::output::{self, Exit, Outcome};
use crate::ui::stop::Stop;

/// Push the values into Redis, as aka-stats keeps them
///
/// Nothing counts twice and nothing is lost, whichever processes end, and however often this one is killed, or Redis is
/// away. Readers of aka-stats see the values, and Python programs may write beside.
/// Ends with Ctrl-C or SIGTERM, after a last push.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{ENVIRONMENT}\n\n{PATHS}"))]
pub struct Redis {
    /// The address of the primary: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or unix:///PATH
    #[arg(long)]
    pub url: Option<String>,
    /// What the keys begin with; on a cluster in braces: '{stats}'
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// How often to push
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub interval: Duration,
    /// Push once, and end: with exit code 0 if everything was accepted
    #[arg(long)]
    pub once: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

const ENVIRONMENT: &str = "\
Environment, where no option says else:
  MMSTATS_REDIS_URL        else AKA_STATS_REDIS_URL: the address (redis://127.0.0.1:6379)
  MMSTATS_REDIS_NAMESPACE  else AKA_STATS_NAMESPACE, AKA_STATS_DEFAULT_PREFIX: the namespace (AKA-STATS)
  AKA_STATS_HISTORY_SIZE   how many entries of each history are kept (1000)";

const URL: &str = "redis://127.0.0.1:6379";
/// How long the server may take to answer. The last push ends within [`GRACE`] of a signal.
const PATIENCE: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(5);
/// The longest time between two tries.
const BACKOFF_MOST: Duration = Duration::from_secs(60);

pub fn run(arguments: &Redis) -> Outcome {
    let stop = Stop::listen(GRACE)?;
    let url = arguments.url.clone();
    let url = url.or_else(|| variable(&["MMSTATS_REDIS_URL", "AKA_STATS_REDIS_URL"]));
    let url = url.as_deref().unwrap_or(URL);
    let client = redis::Client::open(url).map_err(|error| {
        format!("no address of a Redis: {error}: write redis://HOST:PORT, or unix:///PATH")
    })?;
    let mut agent = Agent {
        arguments,
        client,
        history_size: history_size()?,
        pusher: None,
        sources: None,
        complaint: String::new(),
    };
    debug_assert_eq!(OWN_MODEL, Figures::NAME);
    if arguments.once {
        return Ok(match agent.round() {
            Ok(0) => Exit::Success,
            Ok(_) => Exit::Failure,
            Err(error) => {
                output::complain(&error);
                Exit::Failure
            }
        });
    }
    let figures = Figures::start();
    let mut failed = 0;
    loop {
        let begin = Instant::now();
        let is_well = agent.push(figures.as_ref());
        failed = if is_well { 0 } else { failed + 1 };
        let wait = match failed {
            0 => arguments.interval.saturating_sub(begin.elapsed()),
            // At once, for the connection may have been closed while it was idle; then ever later.
            1 => Duration::from_millis(200),
            failed => (Duration::from_secs(1) * 2u32.pow((failed - 2).min(6))).min(BACKOFF_MOST),
        };
        if stop.within(wait) {
            agent.push(figures.as_ref());
            return Ok(Exit::Success);
        }
    }
}

/// The first of these variables that is set.
fn variable(names: &[&str]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| env::var(name).ok());
    values.find(|value| !value.is_empty())
}

fn history_size() -> Result<usize, String> {
    let Some(text) = variable(&["AKA_STATS_HISTORY_SIZE"]) else {
        return Ok(HISTORY_SIZE);
    };
    let size = text.parse().ok().filter(|size| *size > 0);
    size.ok_or_else(|| format!("AKA_STATS_HISTORY_SIZE is {text:?}: set it to a number from 1 on"))
}

struct Agent<'a> {
    arguments: &'a Redis,
    client: redis::Client,
    history_size: usize,
    pusher: Option<Pusher>,
    sources: Option<Sources>,
    /// What was said last, so that it is not said every few seconds.
    complaint: String,
}

impl Agent<'_> {
    /// A round, and what the figures say of it. Whether everything was accepted.
    fn push(&mut self, figures: Option<&Stats<Figures>>) -> bool {
        let outcome = self.round();
        let (dropped, complaint) = match outcome {
            Ok(dropped) => (dropped, None),
            Err(error) => (0, Some(error)),
        };
        let is_well = complaint.is_none() && dropped == 0;
        if let Some(figures) = figures {
            figures.record(is_well, dropped as u64);
        }
        let complaint = complaint.unwrap_or_default();
        if complaint != self.complaint {
            if complaint.is_empty() {
                log::info!("Redis takes pushes again");
            } else {
                output::complain(&format!("{complaint}; it is tried again"));
            }
            self.complaint = complaint;
        }
        // What is refused of a single label is no reason to hurry.
        self.complaint.is_empty()
    }

    /// One round: how many labels were refused.
    fn round(&mut self) -> Result<usize, String> {
        let paths = &self.arguments.paths;
        let sources = self
            .sources
            .get_or_insert_with(|| Sources::open(paths).per_file(true));
        let input = sources.read();
        if !input.failures.is_empty() || input.snapshots.is_empty() {
            // They may be there next time.
            self.sources = None;
        }
        if self.arguments.once {
            input.complain();
            if input.is_empty() {
                return Err("nothing was pushed".to_owned());
            }
        }
        let pusher = match self.pusher.take() {
            Some(pusher) => self.pusher.insert(pusher),
            None => {
                let pusher = self.pusher_of(self.connection()?);
                self.pusher.insert(pusher)
            }
        };
        let pushed = match pusher.push(&input.snapshots) {
            Ok(pushed) => pushed,
            Err(error) => {
                if let Error::Connection(_) | Error::NoConnection = error
                    && let Ok(connection) = self.connection()
                    && let Some(pusher) = &mut self.pusher
                {
                    pusher.reconnect(connection);
                }
                return Err(error.to_string());
            }
        };
        for problem in pushed.problems() {
            output::complain(&problem.to_string());
        }
        Ok(pushed.problems().len())
    }

    fn connection(&self) -> Result<redis::Connection, String> {
        let connect = || {
            let connection = self.client.get_connection_with_timeout(PATIENCE)?;
            connection.set_read_timeout(Some(PATIENCE))?;
            connection.set_write_timeout(Some(PATIENCE))?;
            Ok(connection)
        };
        connect().map_err(|error: redis::RedisError| {
            let address = &self.client.get_connection_info().addr();
            format!("cannot connect to Redis at {address}: {error}: check that it runs there")
        })
    }

    fn pusher_of(&self, connection: redis::Connection) -> Pusher {
        let names = [
            "MMSTATS_REDIS_NAMESPACE",
            "AKA_STATS_NAMESPACE",
            "AKA_STATS_DEFAULT_PREFIX",
        ];
        let namespace = self
            .arguments
            .namespace
            .clone()
            .or_else(|| variable(&names));
        Pusher::new(connection)
            .namespace(namespace.as_deref().unwrap_or(NAMESPACE))
            .history_size(self.history_size)
    }
}
