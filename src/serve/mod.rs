//! The agent's HTTP interface: a page to look at, Prometheus, JSON, and the interfaces of aka-stats and mmash.
//!
//! `mmstats serve` is this as a program. The same as a part of one's own:
//!
//! ```no_run
//! use mmstats::serve::{Options, router};
//!
//! # async fn example() -> std::io::Result<()> {
//! let options = Options {
//!     paths: vec!["/run/app".into()],
//!     ..Options::default()
//! };
//! let app = axum::Router::new().nest("/stats", router(options));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! It only reads. One reading a second is kept for the history; requests get the last one, or one that is at most 0.2 s old.
//! Totals never fall while the router lives: what vanished files had counted at the last reading stays.

mod agent;
mod api;
mod guard;
mod listen;
mod metrics;
mod older;
mod page;
mod past;
mod processes;
mod totals;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::agent::Agent;
pub use self::listen::listen;

/// What a [`router`] shows, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Roots, models' directories, stats files or PIDs; none: where the environment says. They need not be there
    /// yet.
    pub paths: Vec<PathBuf>,
    /// How long the past is kept by the second, and series that no file has any more. By the minute it is kept for
    /// a day. At first an hour.
    pub keep: Duration,
    /// How many bytes the past may take, about. At first 256 MiB.
    pub memory: usize,
    /// Whether pages for Prometheus say from when each series counts (`_created`). At first not: most servers
    /// store that as one more series.
    pub created: bool,
    /// Whether only names of this machine (`localhost`, 127.0.0.1, `[::1]`) are taken for the header `Host`. That keeps
    /// pages of other sites from reading an agent that listens on a loopback address (DNS rebinding). At first not.
    pub local_only: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paths: Vec::new(),
            keep: Duration::from_secs(3600),
            memory: 256 << 20,
            created: false,
            local_only: false,
        }
    }
}

/// What handlers share.
#[derive(Clone)]
struct Shared {
    agent: Arc<Agent>,
    pages: Arc<metrics::Pages>,
}

/// The agent's routes, to be nested into an application: see the [module](self).
///
/// Reads the paths for the first time before it returns, and from then on in a thread of its own, which ends when
/// the router is dropped. The table of docs/DESIGN.md ("The agent") says what each path answers. URLs on the page are relative,
/// so below a prefix it is found at the prefix with a slash at its end.
///
/// ```
/// use mmstats::serve::{Options, router};
///
/// let app: axum::Router = axum::Router::new().nest("/stats", router(Options::default()));
/// ```
pub fn router(options: Options) -> Router {
    let shared = Shared {
        agent: Agent::start(&options),
        pages: Arc::new(metrics::Pages::new(options.created)),
    };
    let routes = Router::new()
        .route("/", get(page::index))
        .route("/page/{file}", get(page::file))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/snapshot", get(api::snapshot))
        .route("/api/v1/series", get(api::series))
        .route("/api/v1/stream", get(api::stream))
        .route("/api/v1/processes", get(api::processes))
        .route("/graph/", get(page::graph))
        .merge(older::http::routes())
        .with_state(shared);
    guard::guarded(routes, options.local_only)
}

/// Seconds since 1970-01-01 UTC.
fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// A request that is refused: the status, and why.
struct Refused(StatusCode, String);

impl Refused {
    /// For wrong usage.
    fn bad(problem: String) -> Refused {
        Refused(StatusCode::BAD_REQUEST, problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Does work that blocks or computes, off the threads that serve connections.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        let problem = "the request failed: see the agent's log".to_owned();
        Refused(StatusCode::INTERNAL_SERVER_ERROR, problem)
    })
}
