//! `mmstats serve`: the agent, with its page.

use std::error::Error;
use std::future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mmstats::reader::{guard_sigbus, roots};
use mmstats::serve::{Options, listen, router};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::arguments::PATHS;
use crate::ui::output::{self, Exit, Outcome};

/// Serve the values over HTTP: a live page, Prometheus, JSON
///
/// Keeps the last hour by the second and the last day by the minute, also for processes that have ended. Its totals
/// never fall while it runs, whichever processes come and go. It only reads, and waits for files if there are none
/// yet. Ends with Ctrl-C or SIGTERM.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{PATHS}"))]
pub struct Serve {
    /// The address to listen on; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7979")]
    pub listen: String,
    /// How long to keep the past by the second, and series that are in no file any more
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = keep)]
    pub keep: Duration,
    /// How many MiB the past may take
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub memory: u16,
    /// Tell Prometheus from when each series counts (`_created`)
    #[arg(long)]
    pub created: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  mmstats serve /run/app                        look at http://127.0.0.1:7979/
  mmstats serve --listen 0.0.0.0:7979           for Prometheus on another machine
  curl localhost:7979/api/v1/snapshot           all values as JSON";

fn keep(text: &str) -> Result<Duration, String> {
    let least = Duration::from_secs(1);
    let most = Duration::from_secs(86_400);
    match humantime::parse_duration(text) {
        Ok(time) if (least..=most).contains(&time) => Ok(time),
        Ok(_) => Err("expected a time from 1s to 24h".to_owned()),
        Err(error) => Err(format!("{error}: expected a time, as in 1h")),
    }
}

pub fn run(arguments: &Serve) -> Outcome {
    if let Err(error) = guard_sigbus() {
        log::warn!(
            "a stats file that is cut short while it is read will end this program: {error}"
        );
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve(arguments));
    // Does not wait for work that still blocks.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> io::Result<Runtime> {
    let mut runtime = runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build()
}

async fn serve(arguments: &Serve) -> Outcome {
    // Before the line that says it serves, since a program that reads the line may send a signal.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = bind(&arguments.listen).await?;
    let address = listener.local_addr()?;
    let router = router(Options {
        paths: arguments.paths.clone(),
        keep: arguments.keep,
        memory: usize::from(arguments.memory) << 20,
        created: arguments.created,
        local_only: address.ip().is_loopback(),
    });
    let mut out = io::stdout();
    writeln!(
        out,
        "serving {} on http://{address}/",
        places(&arguments.paths)
    )?;
    out.flush()?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    listen(listener, router, stop).await?;
    Ok(Exit::Success)
}

async fn bind(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error} (`--listen 127.0.0.1:0` picks a free port)")
    })
}

/// Returns what is served, in words.
fn places(paths: &[PathBuf]) -> String {
    let places = match paths {
        [] => roots(),
        paths => paths.to_owned(),
    };
    let places: Vec<_> = places.iter().map(|path| output::path(path)).collect();
    match &*places {
        [] => "the usual roots".to_owned(),
        places => places.join(", "),
    }
}

/// An agent that runs beside something else until it is dropped.
pub struct BackgroundAgent {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl BackgroundAgent {
    /// Starts an agent for one root, on a loopback address.
    pub fn start(root: &Path, address: &str) -> Result<BackgroundAgent, Box<dyn Error>> {
        let runtime = runtime()?;
        let listener = runtime.block_on(bind(address))?;
        let address = listener.local_addr()?;
        let router = router(Options {
            paths: vec![root.to_owned()],
            local_only: address.ip().is_loopback(),
            ..Options::default()
        });
        runtime.spawn(listen(listener, router, future::pending()));
        Ok(BackgroundAgent {
            address,
            runtime: Some(runtime),
        })
    }
}

impl Drop for BackgroundAgent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
