//! The service: a small web server, and how it keeps its statistics with mmstats.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use mmstats::{
    Compound, Constant, Counter, Flag, Gauge, Groups, MmStats, MmValue, Percentile, Stopwatch,
    Text, Timer, UpDown,
};

/// Statistics of the demo's web service.
#[derive(MmStats)]
#[mmstats(name = "demo")]
pub struct Web {
    /// Requests that have arrived.
    requests: Counter,
    /// Requests that are being answered. May rise on one thread and fall on another.
    in_flight: UpDown,
    /// Sizes of the answers.
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    /// What has been answered. Its numbers always belong together.
    answered: Compound<Answered>,
    /// Who logged in last.
    last_login: Text<32>,
    /// Rounds that a thread hashed in a second, the last time it did.
    #[mmstats(unit = "rounds/s", merge = "mean")]
    hash_rate: Gauge<f64>,
    /// Whether a thread takes requests.
    ready: Flag,
    /// Version of the program.
    #[mmstats(value = env!("CARGO_PKG_VERSION"))]
    release: Constant<&'static str>,
    handlers: Groups<Handler>,
}

/// Statistics of one handler.
#[derive(MmStats)]
struct Handler {
    /// Answers with a status of 2xx.
    response_ok: Counter,
    /// Answers with another status.
    response_bad: Counter,
    /// From a request's arrival to its answer.
    response_time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Answered {
    requests: u64,
    bytes: u64,
}

/// A request that is being answered, counted until this is dropped. If the client hangs up, it is dropped in the
/// middle of the request.
struct InFlight;

impl InFlight {
    fn begin() -> InFlight {
        Web::local(|web| {
            web.requests.inc();
            web.in_flight.inc();
        });
        InFlight
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        Web::local(|web| web.in_flight.dec());
    }
}

/// Runs a handler and counts what it does.
async fn measured(name: &'static str, request: Request, next: Next) -> Response {
    let _in_flight = InFlight::begin();
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    // Another thread may continue here, so `local` is called again, and a Stopwatch measures the time.
    Web::local(|web| {
        let bytes = response.body().size_hint().lower();
        web.body_size.record(bytes);
        web.answered.update(|answered| {
            answered.requests += 1;
            answered.bytes += bytes;
        });
        let handler = web.handlers.group(name);
        match response.status().is_success() {
            true => handler.response_ok.inc(),
            false => handler.response_bad.inc(),
        }
        handler.response_time.record(watch.elapsed());
    });
    response
}

/// Returns a page that costs little.
async fn index() -> String {
    let requests = Web::local(|web| web.answered.get().requests);
    format!("Hello! This thread has answered {requests} requests.\n")
}

/// Hashes the password of a `user:password`, which takes time, and rejects unknown users.
async fn login(credentials: String) -> (StatusCode, String) {
    let Some((user, password)) = credentials.split_once(':') else {
        return (StatusCode::BAD_REQUEST, "Say user:password.\n".to_owned());
    };
    if user == "nobody" {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The table of users has a hole.\n".to_owned(),
        );
    }
    if stretched(password).await != stretched("secret").await {
        return (
            StatusCode::UNAUTHORIZED,
            format!("That is not the password of {user}.\n"),
        );
    }
    Web::local(|web| web.last_login.set(user));
    (StatusCode::OK, format!("Welcome, {user}.\n"))
}

/// A slow hash, which may run on several threads. (Not for real passwords.)
async fn stretched(password: &str) -> u64 {
    const ROUNDS: u64 = 2_000;
    let mut hash = 0;
    for _ in 0..4 {
        let watch = Stopwatch::start();
        for round in 0..ROUNDS {
            let mut hasher = DefaultHasher::new();
            (hash, round, password).hash(&mut hasher);
            hash = hasher.finish();
        }
        let seconds = watch.elapsed().as_secs_f64();
        Web::local(|web| web.hash_rate.set(ROUNDS as f64 / seconds));
        // Lets other tasks run.
        tokio::task::yield_now().await;
    }
    hash
}

/// Serves until stdin is closed. Prints its address on stdout when every thread is ready.
pub fn run(threads: usize) -> io::Result<()> {
    let (ready, readies) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("demo-worker")
        .enable_all()
        .on_thread_start(move || {
            // The thread's file is made here, at its first use, and not while a client waits.
            Web::local(|web| web.ready.set(true));
            let _ = ready.send(());
        })
        .build()?;

    let routes = Router::new()
        .route(
            "/",
            get(index).layer(from_fn(|request, next| measured("index", request, next))),
        )
        .route(
            "/login",
            post(login).layer(from_fn(|request, next| measured("login", request, next))),
        );
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    runtime.spawn(axum::serve(listener, routes).into_future());

    for _ in 0..threads {
        let gone = |error| io::Error::other(format!("a worker thread did not start: {error}"));
        readies
            .recv_timeout(Duration::from_secs(10))
            .map_err(gone)?;
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{address}")?;
    stdout.flush()?;

    // There is no input; this waits for the end of stdin.
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}
