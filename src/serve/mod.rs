//! The agent's HTTP interface: a page to look at, Prometheus, JSON, and the interfaces of aka-stats and mmash.
//!
//! The program `mmstats serve` uses this module. To embed it in an application:
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
//! It only reads. It takes one reading a second for the history; requests get a reading that is at most 0.2 s old.
//! Totals never fall while the router lives: counts of removed files are kept as of the last reading.

mod agent;
mod api;
mod guard;
mod listen;
mod metrics;
mod older;
mod options;
mod page;
mod past;
mod processes;
mod request;
mod time;
mod totals;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use self::agent::Agent;
pub use self::listen::listen;
pub use self::options::Options;

/// The state that handlers share.
#[derive(Clone)]
struct Shared {
    agent: Arc<Agent>,
    pages: Arc<metrics::Pages>,
}

/// Returns the agent's routes, to be nested into an application: see the [module](self).
///
/// Reads the paths for the first time before it returns, and after that in a separate thread, which ends when the
/// router is dropped. URLs on the page are relative, so below a prefix the page is at the prefix with a trailing slash.
///
/// | path | returns |
/// |---|---|
/// | `/` | the page; its query string is the view |
/// | `/metrics` | OpenMetrics or another format of Prometheus, by `Accept`; `?per=process`, `?per=file`, `?model=NAME` |
/// | `/api/v1/snapshot` | the JSON of `mmstats show --json`; `?per=file` as with `--per-file` |
/// | `/api/v1/series?match=GLOB&last=SECONDS` | points of series that the agent has kept |
/// | `/api/v1/stream` | server-sent events: a `snapshot` each second |
/// | `/api/v1/processes` | the processes that the agent has seen |
/// | `/healthz` | `ok` |
/// | `/api/v1/available-stats`, `/api/v1/stats`, `/api/v1/stats/{label}`, `/api/v1/stats-history/{label}`, `/api/v1/stat-contexts` | the answers of aka-stats |
/// | `/stats/`, `/stats/{label}`, `/files/`, `/graph/` | the answers of mmash |
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
