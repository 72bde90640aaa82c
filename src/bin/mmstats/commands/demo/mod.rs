//! `mmstats demo`: a web service at work, observed through its stats files.
//!
//! There are two processes. The service (`server`) writes its stats files. The process that the user started sends it
//! requests (`load`) and reads the files (`view`); it has no other way to know what the service does. At the end it
//! compares the two.

mod load;
mod server;
mod view;

use std::env;
use std::error::Error;
use std::fs::DirBuilder;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use mmstats::MmStats;
use mmstats::reader::Reader;

use self::load::Load;
use self::view::{Picture, View};
#[cfg(feature = "serve")]
use crate::commands::serve::BackgroundAgent;
use crate::ui::output;
use crate::ui::output::{Exit, Outcome};
use crate::ui::stop::Stop;

/// Watch a small web service at work: a live table of its rates and percentiles
///
/// Starts a real HTTP service on 127.0.0.1 as a separate process, all its threads instrumented with mmstats; sends it
/// a bounded number of requests a second; and shows the values in its stats files while it works. Ends on its own, or
/// with Ctrl-C, and then compares the counts of the service with those of its clients. Run `mmstats show` beside it,
/// with the path that it prints.
#[derive(Args, Debug)]
pub struct Demo {
    /// How many seconds it runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Worker threads of the service
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// The root for the stats files [default: $MMSTATS_PATH, else a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Also serve a live page of it at this address
    #[cfg(feature = "serve")]
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:7979")]
    pub serve: Option<String>,
}

/// The service of the demo, a separate process that the demo starts
#[derive(Args, Debug)]
pub struct DemoService {
    /// Worker threads
    #[arg(long)]
    pub threads: u16,
}

/// Runs the process of the service.
pub fn serve(arguments: &DemoService) -> Outcome {
    server::run(arguments.threads.into())?;
    Ok(Exit::Success)
}

/// Runs the demo itself.
pub fn run(arguments: &Demo) -> Outcome {
    // First, so that from here on nothing ends this process without cleanup.
    let stop = Stop::listen(GRACE)?;

    // Dropped in reverse order: the clients stop, then the service, then its directory is removed.
    let root = Root::choose(arguments.path.as_deref())?;
    let service = Service::start(&root.path, arguments.threads)?;
    let mut reader = Reader::open(&root.path).map_err(|_| NO_FILES)?;
    let mut picture = move || Ok::<_, Box<dyn Error>>(Picture::take(&mut reader)?.ok_or(NO_FILES)?);
    let mut view = View::new(picture()?);

    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Process {} serves http://{}",
        service.process.id(),
        service.address
    )?;
    writeln!(
        out,
        "with {} worker threads; process {}",
        view.now().files(),
        process::id()
    )?;
    writeln!(out, "reads its stats files. To look at them yourself:")?;
    writeln!(out, "  mmstats show {}", output::path(&root.path))?;
    #[cfg(feature = "serve")]
    let _agent = match &arguments.serve {
        Some(address) => {
            let agent = BackgroundAgent::start(&root.path, address)?;
            writeln!(out, "or open http://{}/", agent.address)?;
            Some(agent)
        }
        None => None,
    };
    writeln!(out)?;
    out.flush()?;

    let load = Load::start(service.address)?;
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let redraws = out.is_terminal();
    let tick = Duration::from_millis(if redraws { 250 } else { 1000 });
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if stop.within(left.min(tick)) || left <= tick {
            break;
        }
        view.add(picture()?);
        if redraws {
            view.redraw(&mut out)?
        } else {
            view.write_line(&mut out)?
        }
    }

    let counted = load.stop();
    view.finish(picture()?, redraws, &mut out)?;
    let agree = view.compare(&counted, &mut out)?;
    out.flush()?;
    Ok(if agree { Exit::Success } else { Exit::Failure })
}

/// How long ending the clients and the service and cleaning up may take.
const GRACE: Duration = Duration::from_secs(5);
const NO_FILES: &str =
    "the service has no stats files: see the warnings; --path DIR puts them elsewhere";

/// The directory for the stats files.
struct Root {
    path: PathBuf,
    /// Whether it was made here, so that it is removed at the end.
    is_ours: bool,
}

impl Root {
    /// Returns the directory that was typed, else that of the environment, else a new one.
    fn choose(typed: Option<&Path>) -> Result<Root, Box<dyn Error>> {
        let named = env::var_os("MMSTATS_PATH")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let Some(path) = typed.map(Path::to_owned).or(named) else {
            let path = env::temp_dir().join(format!("mmstats-demo-{}", process::id()));
            // Fails if the path already exists, since it may belong to somebody else.
            let made = DirBuilder::new().mode(0o700).create(&path);
            made.map_err(|error| {
                format!("cannot create the directory {}: {error}", path.display())
            })?;
            return Ok(Root {
                path,
                is_ours: true,
            });
        };
        let path = std::path::absolute(path)?;
        // The files of another demo would be merged with ours.
        let others = path.join(server::Web::NAME);
        if let Ok(mut reader) = Reader::open(&others)
            && !reader.snapshot()?.files().is_empty()
        {
            return Err(format!(
                "there are stats files of another demo in {}: wait for its end, remove them, or name \
                 another directory with --path",
                others.display()
            )
            .into());
        }
        Ok(Root {
            path,
            is_ours: false,
        })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            output::complain(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// The process of the service. It ends when its stdin is closed, so also when this process is killed.
struct Service {
    process: Child,
    address: SocketAddr,
}

impl Service {
    /// Starts it and waits until its worker threads are ready.
    fn start(root: &Path, threads: u16) -> Result<Service, Box<dyn Error>> {
        let mut process = Command::new(env::current_exe()?)
            .args(["demo-service", "--threads", &threads.to_string()])
            .env("MMSTATS_PATH", root)
            .env_remove("MMSTATS_DISABLE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for this process, which then ends the other.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start the service: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim_end().parse() {
            Ok(address) => Ok(Service { process, address }),
            Err(_) => {
                drop(process.stdin.take());
                Err(format!("the service did not start: {}", process.wait()?).into())
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if let Err(error) = self.process.wait() {
            output::complain(&format!("cannot wait for the service to end: {error}"));
        }
    }
}
