//! Sends requests to the receiver and interprets its answers, over HTTP or gRPC.

#[cfg(feature = "push-grpc")]
mod grpc;
mod http;

use std::fs;
use std::path::Path;
use std::time::Duration;

use ureq::http::Uri;

use super::message::PartialSuccess;
use super::{Error, Options, Protocol};

/// How many bytes of an answer are read: a partial success or an error contains some text.
const ANSWER_MOST: usize = 1 << 20;
/// How long an unused connection is kept. Many servers close it after five seconds.
const IDLE: Duration = Duration::from_secs(4);
/// The longest wait that a receiver may ask for. A longer one is taken for a mistake.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(3600);
/// The user agent of this client.
const USER_AGENT: &str = concat!("mmstats/", env!("CARGO_PKG_VERSION"));

/// Sends requests to one receiver.
#[derive(Debug)]
pub enum Client {
    Http(Box<http::Client>),
    #[cfg(feature = "push-grpc")]
    Grpc(Box<grpc::Client>),
}

/// A request was accepted, at least in part.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Points that were not accepted.
    pub rejected: u64,
    /// The receiver's message, or empty.
    pub message: String,
}

/// A request was not accepted.
#[derive(Debug)]
pub struct Failure {
    /// The HTTP status, or the gRPC code.
    pub status: Option<u16>,
    pub problem: String,
    /// Whether it may be accepted later.
    pub is_temporary: bool,
    /// How long the receiver asks to wait before the next request.
    pub retry_after: Option<Duration>,
}

impl Client {
    /// Makes a client with these options. Reads the certificates.
    ///
    /// # Errors
    /// [`Error::Options`] if URL, headers or certificates are wrong.
    pub fn new(options: &Options) -> Result<Client, Error> {
        match options.protocol {
            Protocol::HttpProtobuf => http::Client::new(options).map(Box::new).map(Client::Http),
            #[cfg(feature = "push-grpc")]
            Protocol::Grpc => grpc::Client::new(options).map(Box::new).map(Client::Grpc),
            #[cfg(not(feature = "push-grpc"))]
            Protocol::Grpc => {
                let problem = "grpc: this program was built without gRPC: build it with the feature \
                               push-grpc, or use http/protobuf";
                Err(Error::Options(problem.to_owned()))
            }
        }
    }

    /// Returns about how many bytes a request may have.
    pub fn request_most(&self) -> usize {
        match self {
            // Receivers accept 20 MiB (the collector) to 64 MiB.
            Client::Http(_) => 16 << 20,
            // Most gRPC libraries accept 4 MiB by default.
            #[cfg(feature = "push-grpc")]
            Client::Grpc(_) => 5 << 19,
        }
    }

    /// Sends a request and waits for the answer, for at most `timeout`.
    pub fn send(&mut self, request: Vec<u8>, timeout: Duration) -> Result<Accepted, Failure> {
        match self {
            Client::Http(client) => client.send(&request, timeout),
            #[cfg(feature = "push-grpc")]
            Client::Grpc(client) => client.send(request, timeout),
        }
    }
}

impl From<Option<PartialSuccess>> for Accepted {
    fn from(partial: Option<PartialSuccess>) -> Accepted {
        let partial = partial.unwrap_or_default();
        Accepted {
            rejected: u64::try_from(partial.rejected_data_points).unwrap_or(0),
            message: partial.error_message,
        }
    }
}

/// Returns the URL of the options.
fn endpoint(options: &Options, example: &str) -> Result<Uri, Error> {
    let wrong = |problem| {
        let endpoint = &options.endpoint;
        Error::Options(format!(
            "{endpoint}: {problem}: expected a URL, as in {example}"
        ))
    };
    let endpoint: Uri = (options.endpoint.parse()).map_err(|_| wrong("is not a URL"))?;
    if endpoint.host().is_none_or(str::is_empty) {
        return Err(wrong("has no host"));
    }
    if !matches!(endpoint.scheme_str(), Some("http" | "https")) {
        return Err(wrong("is neither http nor https"));
    }
    Ok(endpoint)
}

/// Returns the first line of a receiver's text, which may be a whole page.
fn first_line(said: &str) -> String {
    let line = said.trim().lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |error| Error::Options(format!("cannot read {}: {error}", path.display()));
    fs::read(path).map_err(wrong)
}
