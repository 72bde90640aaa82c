//! Handlers that are counted and timed by a wrapper, in one group for each, without a line of their own.
//!
//! ```sh
//! cargo run --example handlers
//! ```
//!
//! Each handler gets the series `<name>.ok`, `<name>.bad` and `<name>.time`. With `-- --stay` the program runs for a
//! minute; meanwhile `mmstats show -l 'login.*'` in another terminal shows the series of one handler.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{Counter, Groups, MmStats, Timer};

/// What a site counts.
#[derive(MmStats)]
#[mmstats(name = "site")]
struct Site {
    #[mmstats(group_label = "handler")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    /// Requests that were answered.
    ok: Counter,
    /// Requests that failed.
    bad: Counter,
    /// How long an answer took, whether good or bad.
    time: Timer,
}

struct Request {
    user: &'static str,
}

type Response = Result<String, String>;

/// Wraps a handler: counts its answers and times it.
fn stats_wrapper(
    name: &'static str,
    handler: impl Fn(&Request) -> Response,
) -> impl Fn(&Request) -> Response {
    move |request| {
        Site::local(|site| {
            let stats = site.handlers.group(name);
            let response = stats.time.time(|| handler(request));
            match response {
                Ok(_) => stats.ok.inc(),
                Err(_) => stats.bad.inc(),
            }
            response
        })
    }
}

fn index(request: &Request) -> Response {
    Ok(format!("Hello, {}", request.user))
}

fn login(request: &Request) -> Response {
    match request.user {
        "nobody" => Err("unknown user".to_owned()),
        user => Ok(format!("{user} is logged in")),
    }
}

fn main() -> Result<(), mmstats::Error> {
    let index = stats_wrapper("index", index);
    let login = stats_wrapper("login", login);
    for user in ["anna", "nobody", "carl"] {
        let request = Request { user };
        for response in [index(&request), login(&request)] {
            println!("{response:?}");
        }
    }
    for (model, label, value) in Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
