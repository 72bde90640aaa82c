//! OTLP over gRPC: each request is a call of `MetricsService/Export`.
//!
//! The call blocks: the client has its own runtime, which runs only during a call. Proxies of the environment are not
//! used.

use std::error::Error as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use prost::Message;
use prost::bytes::BufMut;
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use ureq::http::uri::PathAndQuery;

use super::{ANSWER_MOST, Accepted, Failure, IDLE, RETRY_AFTER_MOST, USER_AGENT};
use super::{endpoint, first_line, read};
use crate::push::otlp::message::{self, Response, RetryInfo};
use crate::push::otlp::{Error, Options};

/// The method that is called.
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// The type of the status detail that says when to retry.
const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// Sends requests to one server.
#[derive(Debug)]
pub struct Client {
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
    endpoint: Endpoint,
    /// The connection, and when it was last used.
    channel: Option<(Channel, Instant)>,
    headers: MetadataMap,
    gzip: bool,
}

impl Client {
    /// Makes a client for the server in the options. Reads the certificates.
    ///
    /// # Errors
    /// [`Error::Options`] if URL, headers or certificates are wrong.
    pub fn new(options: &Options) -> Result<Client, Error> {
        let uri = endpoint(options, "http://localhost:4317")?;
        let wrong = |problem: &dyn std::fmt::Display| {
            Error::Options(format!("{}: {problem}", options.endpoint))
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong(&"a URL for gRPC has no path"));
        }
        let is_https = uri.scheme_str() == Some("https");
        let mut endpoint = Endpoint::from(uri)
            .user_agent(USER_AGENT)
            .map_err(|error| wrong(&error))?;
        if is_https {
            endpoint =
                (endpoint.tls_config(tls(options)?)).map_err(|error| wrong(&chain(&error)))?;
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Client {
            runtime: Some(runtime.map_err(|error| wrong(&error))?),
            endpoint,
            channel: None,
            headers: metadata(&options.headers)?,
            gzip: options.gzip,
        })
    }

    /// Sends a request and waits for the answer, for at most `timeout`.
    pub fn send(&mut self, request: Vec<u8>, timeout: Duration) -> Result<Accepted, Failure> {
        let is_young = |used: &Instant| used.elapsed() < IDLE;
        let kept = self.channel.take().filter(|(_, used)| is_young(used));
        let runtime = self.runtime.as_ref().expect("it is not dropped yet");
        let _context = runtime.enter();
        let channel = kept.map_or_else(|| self.endpoint.connect_lazy(), |(channel, _)| channel);
        let call = call(
            channel.clone(),
            request,
            self.headers.clone(),
            timeout,
            self.gzip,
        );
        let call = async { tokio::time::timeout(timeout, call).await };
        let result = block_on(runtime, call);
        let response = match result {
            Ok(response) => response.map_err(|status| failure(&status))?,
            Err(_) => {
                let problem = format!("no answer within {timeout:.1?}");
                return Err(failure(&Status::deadline_exceeded(problem)));
            }
        };
        self.channel = Some((channel, Instant::now()));
        Ok(response.partial_success.into())
    }
}

/// Waits for a future. It also works if this thread runs a task of another runtime, where tokio would panic.
fn block_on<T: Send>(runtime: &Runtime, future: impl Future<Output = T> + Send) -> T {
    if Handle::try_current().is_err() {
        return runtime.block_on(future);
    }
    let wait = || runtime.block_on(future);
    thread::scope(|scope| match scope.spawn(wait).join() {
        Ok(output) => output,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

impl Drop for Client {
    fn drop(&mut self) {
        // Does not wait for its threads: tokio would panic for that within a task of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn call(
    channel: Channel,
    request: Vec<u8>,
    headers: MetadataMap,
    timeout: Duration,
    gzip: bool,
) -> Result<Response, Status> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(ANSWER_MOST);
    if gzip {
        grpc = grpc.send_compressed(CompressionEncoding::Gzip);
    }
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let mut request = Request::new(request);
    *request.metadata_mut() = headers;
    request.set_timeout(timeout);
    let path = PathAndQuery::from_static(EXPORT);
    let response = grpc.unary(request, path, Encoded).await?;
    Ok(response.into_inner())
}

/// A codec for requests that are already encoded, with [`Response`]s as answers.
#[derive(Debug)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Vec<u8>;
    type Decode = Response;
    type Encoder = Encoded;
    type Decoder = Encoded;

    fn encoder(&mut self) -> Encoded {
        Encoded
    }

    fn decoder(&mut self) -> Encoded {
        Encoded
    }
}

impl Encoder for Encoded {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Response;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Response>, Status> {
        let problem = "the answer is not OTLP: is it the URL of an OTLP receiver?";
        let response = Response::decode(buffer);
        response.map(Some).map_err(|_| Status::internal(problem))
    }
}

fn failure(status: &Status) -> Failure {
    // An error of the transport, not an answer of the server.
    let is_broken = status.source().is_some();
    let retry_after = retry_after(status.details());
    let is_temporary = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Without a wait, the limit is permanent.
        Code::ResourceExhausted => retry_after.is_some(),
        _ => is_broken,
    };
    let said = first_line(status.message());
    let code = status.code();
    Failure {
        status: (!is_broken).then_some(code as u16),
        problem: match status.source() {
            Some(error) => chain(error),
            None if said.is_empty() => format!("answered {code:?}"),
            None => format!("answered {code:?}: {said}"),
        },
        is_temporary,
        retry_after,
    }
}

/// Returns the message of an error and of its causes, since the error alone may only say "transport error".
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// Returns the wait that a `RetryInfo` in the details of a status asks for.
fn retry_after(details: &[u8]) -> Option<Duration> {
    let status = message::Status::decode(details).ok()?;
    let is_retry = |url: &str| url.rsplit('/').next() == Some(RETRY_INFO);
    let mut details = status.details.into_iter();
    let detail = details.find(|detail| is_retry(&detail.type_url))?;
    let info = RetryInfo::decode(&*detail.value).ok()?;
    let delay = info.retry_delay.unwrap_or_default();
    // A negative delay means at once.
    let delay = Duration::try_from(delay).unwrap_or_default();
    Some(delay.min(RETRY_AFTER_MOST))
}

fn metadata(pairs: &[(String, String)]) -> Result<MetadataMap, Error> {
    let mut metadata = MetadataMap::new();
    for (name, value) in pairs {
        let wrong = |what| Error::Options(format!("the header {name:?}: {what}"));
        let key = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
        let key = key.map_err(|_| {
            wrong("its name may have letters, digits, _, - and . only, and may not end in -bin")
        })?;
        let value = AsciiMetadataValue::try_from(&**value);
        let mut value = value.map_err(|_| wrong("its value may contain only printable ASCII"))?;
        value.set_sensitive(true);
        metadata.append(key, value);
    }
    Ok(metadata)
}

fn tls(options: &Options) -> Result<ClientTlsConfig, Error> {
    let mut tls = ClientTlsConfig::new();
    tls = match &options.certificate {
        Some(path) => tls.ca_certificate(Certificate::from_pem(pem(path, "CERTIFICATE")?)),
        None => tls.with_webpki_roots(),
    };
    if let Some((certificate, key)) = &options.client_certificate {
        let (certificate, key) = (pem(certificate, "CERTIFICATE")?, pem(key, "PRIVATE KEY")?);
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    Ok(tls)
}

/// Reads a PEM file that contains an item of the kind `wanted`.
fn pem(path: &Path, wanted: &str) -> Result<Vec<u8>, Error> {
    let pem = read(path)?;
    let is_there = String::from_utf8_lossy(&pem).lines().any(|line| {
        line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{wanted}-----"))
    });
    if is_there {
        return Ok(pem);
    }
    let path = path.display();
    Err(Error::Options(format!(
        "{path}: contains no {wanted} in PEM format"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::bytes::Bytes;

    /// Details with a `RetryInfo` of this delay.
    fn details(url: &str, seconds: i64, nanos: i32) -> Bytes {
        let info = RetryInfo {
            retry_delay: Some(prost_types::Duration { seconds, nanos }),
        };
        let status = message::Status {
            details: vec![prost_types::Any {
                type_url: url.to_owned(),
                value: info.encode_to_vec(),
            }],
            ..message::Status::default()
        };
        status.encode_to_vec().into()
    }

    #[test]
    fn the_codes_of_the_specification_are_tried_again() {
        let is_temporary = |code: i32| failure(&Status::new(Code::from_i32(code), "")).is_temporary;
        let temporary: Vec<i32> = (1..=16).filter(|&code| is_temporary(code)).collect();
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
        assert_eq!(temporary, [1, 4, 10, 11, 14, 15]);
    }

    #[test]
    fn a_limit_is_temporary_if_it_says_for_how_long() {
        let of = |details| failure(&Status::with_details(Code::ResourceExhausted, "", details));
        let url = "type.googleapis.com/google.rpc.RetryInfo";
        let limited = of(details(url, 2, 500_000_000));
        assert!(limited.is_temporary);
        assert_eq!(limited.retry_after, Some(Duration::from_millis(2500)));
        assert_eq!(limited.status, Some(8));
        let wait = |seconds, nanos| of(details(url, seconds, nanos)).retry_after;
        assert_eq!(wait(-1, 0), Some(Duration::ZERO));
        assert_eq!(wait(i64::MAX, 0), Some(RETRY_AFTER_MOST));
        for other in [
            details("type.googleapis.com/google.rpc.Help", 1, 0),
            Bytes::from_static(&[0xff; 9]),
            Bytes::new(),
        ] {
            assert!(!of(other).is_temporary);
        }
    }

    #[test]
    fn wrong_urls_headers_and_certificates_are_refused_at_once() {
        let client = |options| Client::new(&options).map(drop);
        let at = |endpoint: &str| Options {
            endpoint: endpoint.to_owned(),
            ..Options::default()
        };
        client(at("http://localhost:4317/")).unwrap();
        client(at("https://localhost:4317")).unwrap();
        for endpoint in ["http://a/v1/metrics", "localhost:4317", "ftp://a", ""] {
            assert!(client(at(endpoint)).is_err(), "{endpoint:?}");
        }
        for (name, value) in [("a b", "1"), ("a-bin", "1"), ("a", "1\n2")] {
            assert!(
                metadata(&[(name.to_owned(), value.to_owned())]).is_err(),
                "{name}"
            );
        }
        for path in [
            "/nowhere.pem",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ] {
            let error = client(Options {
                certificate: Some(path.into()),
                ..at("https://a")
            });
            let error = error.unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
    }
}
