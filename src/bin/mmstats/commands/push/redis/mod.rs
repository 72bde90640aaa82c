//! `mmstats push redis`: pushes into the keys of aka-stats, repeatedly or once.

mod server;

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
use server::Server;

/// Push the values into Redis, in the format of aka-stats
///
/// Nothing counts twice and nothing is lost, whichever processes end, and however often this one is killed or Redis
/// is unreachable. Readers of aka-stats see the values, and Python programs may write the same keys. Ends with Ctrl-C
/// or SIGTERM, after a last push.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{ENVIRONMENT}\n\n{PATHS}"))]
pub struct Redis {
    /// The address of the primary, or of any node of a cluster: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE],
    /// rediss://… for TLS, or unix:///PATH
    #[arg(long)]
    pub url: Option<String>,
    /// Certificates (PEM) to trust instead of the system's, with rediss://
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// The beginning of the keys; on a cluster in braces: '{stats}'
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// How often to push
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub interval: Duration,
    /// Push once, and exit with 0 if everything was accepted
    #[arg(long)]
    pub once: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

const ENVIRONMENT: &str = "\
Environment, unless an option overrides it:
  MMSTATS_REDIS_URL        else AKA_STATS_REDIS_URL: the address (redis://127.0.0.1:6379)
  MMSTATS_REDIS_NAMESPACE  else AKA_STATS_NAMESPACE, AKA_STATS_DEFAULT_PREFIX: the namespace (AKA-STATS)
  AKA_STATS_HISTORY_SIZE   how many entries of each history are kept (1000)";

const URL: &str = "redis://127.0.0.1:6379";
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same after a signal. A round under way and two more fit into [`GRACE`] together.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// How long the command may take to end after a signal.
const GRACE: Duration = Duration::from_secs(5);
/// How often one round may be redirected to another node of the cluster.
const REDIRECTS: usize = 3;
/// The longest time between two tries.
const BACKOFF_MOST: Duration = Duration::from_secs(60);

pub fn run(arguments: &Redis) -> Outcome {
    let stop = Stop::listen(GRACE)?;
    let url = arguments.url.clone();
    let url = url.or_else(|| variable(&["MMSTATS_REDIS_URL", "AKA_STATS_REDIS_URL"]));
    let url = url.as_deref().unwrap_or(URL);
    let mut agent = Agent {
        arguments,
        server: Server::open(url, arguments.cacert.as_deref())?,
        history_size: history_size()?,
        pusher: None,
        is_connected: false,
        sources: None,
        complaint: String::new(),
    };
    debug_assert_eq!(OWN_MODEL, Figures::NAME);
    if arguments.once {
        return Ok(match agent.round(PATIENCE) {
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
            // The first retry is immediate, since the connection may have been closed while idle; later waits grow.
            1 => Duration::from_millis(200),
            failed => (Duration::from_secs(1) * 2u32.pow((failed - 2).min(6))).min(BACKOFF_MOST),
        };
        if stop.within(wait) {
            return Ok(agent.push_last(figures.as_ref()));
        }
    }
}

/// Returns the value of the first of these variables that is set.
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
    server: Server,
    history_size: usize,
    pusher: Option<Pusher>,
    /// Whether the pusher has a connection that is not known to have failed.
    is_connected: bool,
    sources: Option<Sources>,
    /// The last complaint, so that it is not repeated every few seconds.
    complaint: String,
}

impl Agent<'_> {
    /// Does a round and records it in the figures. Returns whether it succeeded.
    fn push(&mut self, figures: Option<&Stats<Figures>>) -> bool {
        let outcome = self.round(PATIENCE);
        record(figures, &outcome);
        // A refused single label does not call for an early retry.
        let complaint = outcome.err().unwrap_or_default();
        if complaint != self.complaint {
            if complaint.is_empty() {
                log::info!("Redis accepts pushes again");
            } else {
                output::complain(&format!("{complaint}; it is tried again"));
            }
            self.complaint = complaint;
        }
        self.complaint.is_empty()
    }

    /// Does the last round. If the connection hangs, a new one replaces it.
    fn push_last(&mut self, figures: Option<&Stats<Figures>>) -> Exit {
        let mut outcome = self.round(LAST_PATIENCE);
        if outcome.is_err() && !self.is_connected {
            outcome = self.round(LAST_PATIENCE);
        }
        record(figures, &outcome);
        match outcome {
            Ok(0) => Exit::Success,
            Ok(_) => Exit::Failure,
            Err(error) => {
                output::complain(&format!(
                    "{error}; the last push failed: what is new since the one before is not in \
                     Redis, and the next pusher of these files pushes it"
                ));
                Exit::Failure
            }
        }
    }

    /// Does one round. Returns how many labels were refused.
    fn round(&mut self, patience: Duration) -> Result<usize, String> {
        let paths = &self.arguments.paths;
        let sources = self
            .sources
            .get_or_insert_with(|| Sources::open(paths).per_file(true));
        let input = sources.read();
        if !input.failures.is_empty() || input.snapshots.is_empty() {
            // The paths may exist next time.
            self.sources = None;
        }
        if self.arguments.once {
            input.complain();
            if input.is_empty() {
                return Err("nothing was pushed".to_owned());
            }
        }
        for _ in 0..=REDIRECTS {
            match self.connected(patience)?.push(&input.snapshots) {
                Ok(pushed) => {
                    for problem in pushed.problems() {
                        output::complain(&problem.to_string());
                    }
                    return Ok(pushed.problems().len());
                }
                Err(Error::Moved { node }) => {
                    self.server.moved(&node);
                    self.is_connected = false;
                }
                Err(error) => {
                    if let Error::Connection(_) | Error::NoConnection = error {
                        self.server.forget_node();
                        self.is_connected = false;
                    }
                    return Err(error.to_string());
                }
            }
        }
        self.server.forget_node();
        Err(
            "each node of the cluster names another one: see `redis-cli cluster nodes` there"
                .to_owned(),
        )
    }

    /// Returns the pusher, with a connection.
    fn connected(&mut self, patience: Duration) -> Result<&mut Pusher, String> {
        if !self.is_connected {
            let connection = self.connect(patience)?;
            match &mut self.pusher {
                Some(pusher) => pusher.reconnect(connection),
                None => self.pusher = Some(self.pusher_of(connection)),
            }
            self.is_connected = true;
        }
        Ok(self.pusher.as_mut().expect("made with the connection"))
    }

    fn connect(&mut self, patience: Duration) -> Result<redis::Connection, String> {
        let connected = self.server.connect(patience);
        if connected.is_err() {
            self.server.forget_node();
        }
        connected
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

/// Records a round in the pusher's own metrics.
fn record(figures: Option<&Stats<Figures>>, outcome: &Result<usize, String>) {
    if let Some(figures) = figures {
        let dropped = *outcome.as_ref().unwrap_or(&0);
        figures.record(outcome.is_ok() && dropped == 0, dropped as u64);
    }
}
