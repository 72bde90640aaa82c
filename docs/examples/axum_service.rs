//! An axum web service whose middleware counts and times requests by route, with the agent's page beside it.
//!
//! ```sh
//! cargo run --example axum_service --features serve
//! curl http://127.0.0.1:8080/users/7
//! mmstats show                                   # or open http://127.0.0.1:8080/stats/
//! ```
//!
//! With `-- --requests N` it listens on a free port, sends itself N requests, and exits.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use axum::extract::{MatchedPath, Path, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use mmstats::{Counter, Groups, MmStats, Stopwatch, Timer, UpDown, serve};
use tokio::net::TcpListener;

/// Requests of the service.
#[derive(MmStats)]
#[mmstats(name = "web")]
struct Web {
    /// Requests that are being answered.
    in_flight: UpDown,
    /// By route, method and status.
    answers: Groups<Answers>,
}

#[derive(MmStats)]
struct Answers {
    requests: Counter,
    response_time: Timer,
}

/// Counts and times the handlers below it. A task may move to another thread at each `.await`, so nothing of `Web` is
/// kept across one, and time is measured by a `Stopwatch`.
async fn count(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let method = request.method().clone();
    Web::local(|web| web.in_flight.inc());
    let response = next.run(request).await;
    Web::local(|web| {
        web.in_flight.dec();
        // The route, not the path: there are few routes, whatever clients ask for.
        let answers = web.answers.group_with(&[
            ("route", route.as_ref().map_or("none", MatchedPath::as_str)),
            ("method", method.as_str()),
            ("status", response.status().as_str()),
        ]);
        answers.requests.inc();
        answers.response_time.record(watch.elapsed());
    });
    response
}

async fn index() -> &'static str {
    "hello\n"
}

async fn user(Path(id): Path<String>) -> Response {
    match id.parse::<u32>() {
        Ok(id) => format!("user {id}\n").into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{id}: {error}\n")).into_response(),
    }
}

/// A client that sends requests and waits for each answer.
fn ask(address: SocketAddr, requests: usize) -> std::io::Result<()> {
    for n in 0..requests {
        let path = ["/", "/users/7", "/users/x", "/nothing"][n % 4];
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let requests = match &arguments[..] {
        [] => None,
        [option, n] if option == "--requests" => Some(n.parse::<usize>()?),
        _ => return Err("usage: axum_service [--requests N]".into()),
    };
    let app = Router::new()
        .route("/", get(index))
        .route("/users/{id}", get(user))
        .layer(middleware::from_fn(count))
        // Added after the layer, so not counted.
        .nest("/stats", serve::router(serve::Options::default()));
    let port = if requests.is_some() { 0 } else { 8080 };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/ and http://{address}/stats/");
    let end = async move {
        match requests {
            Some(n) => match tokio::task::spawn_blocking(move || ask(address, n)).await {
                Ok(Ok(())) => {}
                failed => eprintln!("the client failed: {failed:?}"),
            },
            None => tokio::signal::ctrl_c().await.unwrap_or_default(),
        }
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(end)
        .await?;
    // The files stay until the process ends, so the values can be read here.
    for (model, label, value) in mmstats::reader::Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run())
}
