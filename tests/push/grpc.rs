//! The same over gRPC: a receiver built on the crate h2, so that a test determines each answer.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver as Requests, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use h2::RecvStream;
use h2::server::SendResponse;
use http::HeaderMap;
use mmstats::MmStats;
use mmstats::push::otlp::{Options, Protocol};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest as Export, ExportMetricsServiceResponse as Answer,
};
use prost::Message;
use prost::bytes::Bytes;
use tempfile::TempDir;

use super::checks::{check, keys_and_values, number, points};
use super::pusher::{Pusher, command, ended};
use super::receiver::{PATIENCE, Request};
use super::{Route, Web};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// The limit of most servers.
const MESSAGE_MOST: usize = 4 << 20;

/// The reply to a call.
enum Reply {
    Answer(Answer),
    /// A code, and details in base64.
    Status(u16, &'static str),
    /// The connection is closed.
    Nothing,
}

struct Receiver {
    address: SocketAddr,
    requests: Requests<Request>,
}

type Replies = Arc<Mutex<VecDeque<Reply>>>;

impl Receiver {
    fn start(replies: impl IntoIterator<Item = Reply>) -> Receiver {
        Receiver::listen(TcpListener::bind("127.0.0.1:0").unwrap(), replies)
    }

    /// Creates a receiver that gives these replies first, and then accepts everything.
    fn listen(listener: TcpListener, replies: impl IntoIterator<Item = Reply>) -> Receiver {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let replies: Replies = Arc::new(Mutex::new(replies.into_iter().collect()));
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, sender.clone(), Arc::clone(&replies)));
                }
            });
        });
        Receiver { address, requests }
    }

    fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("no request")
    }

    fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves a connection.
async fn serve(stream: tokio::net::TcpStream, sender: Sender<Request>, replies: Replies) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let reply = replies.lock().unwrap().pop_front();
        let reply = reply.unwrap_or_else(|| Reply::Answer(Answer::default()));
        if matches!(reply, Reply::Nothing) {
            return;
        }
        tokio::spawn(call(request, respond, sender.clone(), reply));
    }
}

/// Handles a call. An invalid call gets no answer: its task panics.
async fn call(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    sender: Sender<Request>,
    reply: Reply,
) {
    let at = Instant::now();
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend(chunk);
    }
    assert_eq!(parts.method, "POST");
    let header = |name: &str| parts.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/grpc");
    assert_eq!(header("te"), "trailers");
    let (head, message) = body.split_at(5);
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    assert_eq!(length as usize, message.len());
    let mut plain = Vec::new();
    match head[0] {
        0 => plain.extend(message),
        1 => {
            assert_eq!(header("grpc-encoding"), "gzip");
            let mut decoder = flate2::read::GzDecoder::new(message);
            decoder.read_to_end(&mut plain).unwrap();
        }
        other => panic!("{other}"),
    }
    assert!(plain.len() <= MESSAGE_MOST, "{}", plain.len());
    let message = Export::decode(&*plain).unwrap();
    check(&message);
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    let _ = sender.send(Request {
        at,
        path: parts.uri.path().to_owned(),
        headers: headers.collect(),
        message,
    });
    answer(respond, &reply);
}

fn answer(mut respond: SendResponse<Bytes>, reply: &Reply) {
    let head = http::Response::builder().header("content-type", "application/grpc");
    match reply {
        Reply::Answer(answer) => {
            let answer = answer.encode_to_vec();
            let mut body = vec![0];
            body.extend((answer.len() as u32).to_be_bytes());
            body.extend(answer);
            let mut stream = respond
                .send_response(head.body(()).unwrap(), false)
                .unwrap();
            stream.send_data(body.into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", 0.into());
            stream.send_trailers(trailers).unwrap();
        }
        Reply::Status(code, details) => {
            let head = head
                .header("grpc-status", *code)
                .header("grpc-message", "as%20a%20test");
            let head = head.header("grpc-status-details-bin", *details);
            respond.send_response(head.body(()).unwrap(), true).unwrap();
        }
        Reply::Nothing => {}
    }
}

/// `google.rpc.Status` with the code 8 and a `RetryInfo` of one and a half seconds.
const RETRY_INFO: &str =
    "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ";

fn web(root: &TempDir) -> mmstats::Stats<Web> {
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(5);
    web
}

fn grpc(root: &Path, base: &str, arguments: &[&str]) -> Command {
    let mut command = command(root, base, &["--protocol", "grpc"]);
    command.args(arguments);
    command
}

fn requests(request: &Request) -> Option<f64> {
    request.value(std::process::id(), "my-app.requests")
}

#[test]
fn what_is_pushed_by_grpc_is_what_is_pushed_by_http() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(&root);
    let mut command = command(root.path(), &receiver.base(), &["--once"]);
    command
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=secret");
    assert_eq!(ended(&mut command), (true, String::new()));
    command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    assert_eq!(ended(&mut command), (true, String::new()));
    let (plain, gzip) = (receiver.next(), receiver.next());
    for request in [&plain, &gzip] {
        assert_eq!(request.path, EXPORT);
        assert_eq!(requests(request), Some(5.0));
        assert_eq!(request.headers["api-key"], "secret");
        assert!(
            request.headers["user-agent"].starts_with("mmstats/"),
            "{request:?}"
        );
        assert!(request.headers.contains_key("grpc-timeout"));
    }
    assert_eq!(gzip.headers["grpc-encoding"], "gzip");
    assert!(!plain.headers.contains_key("grpc-encoding"));
}

#[test]
fn a_server_that_is_busy_is_tried_again_with_a_fresh_reading() {
    for reply in [
        Reply::Status(14, ""),
        Reply::Status(8, RETRY_INFO),
        Reply::Nothing,
    ] {
        let (is_answered, has_info) = match reply {
            Reply::Status(code, _) => (true, code == 8),
            _ => (false, false),
        };
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([reply]);
        let web = web(&root);
        let begin = Instant::now();
        let pusher = Pusher::of(&mut grpc(
            root.path(),
            &receiver.base(),
            &["--interval", "100ms"],
        ));
        if is_answered {
            assert_eq!(requests(&receiver.next()), Some(5.0));
        }
        web.requests.add(2);
        let again = receiver.next();
        assert!(requests(&again) >= Some(5.0));
        let least = if has_info { 1500 } else { 500 };
        assert!(again.at - begin >= Duration::from_millis(least));
        let (status, said, _) = pusher.terminate();
        assert!(status.success() && said.contains("pushing again"), "{said}");
    }
}

#[test]
fn a_call_that_is_wrong_is_not_tried_again() {
    // Without details, retrying would exceed a limit again.
    for (code, name) in [
        (3, "InvalidArgument"),
        (16, "Unauthenticated"),
        (8, "ResourceExhausted"),
    ] {
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([Reply::Status(code, "")]);
        let _web = web(&root);
        let (success, said) = ended(&mut grpc(root.path(), &receiver.base(), &["--once"]));
        assert!(!success);
        assert!(said.contains(name) && said.contains("as a test"), "{said}");
        receiver.next();
        assert!(receiver.requests.try_recv().is_err());
    }
}

#[test]
fn a_partial_success_by_grpc_is_reported() {
    let root = TempDir::new().unwrap();
    let mut answer = Answer::default();
    let partial = answer.partial_success.get_or_insert_default();
    partial.rejected_data_points = 3;
    "names too long".clone_into(&mut partial.error_message);
    let receiver = Receiver::start([Reply::Answer(answer)]);
    let _web = web(&root);
    let (success, said) = ended(&mut grpc(root.path(), &receiver.base(), &["--once"]));
    assert!(
        !success && said.contains("rejected 3 points: names too long"),
        "{said}"
    );
}

#[test]
fn a_server_that_was_away_gets_the_totals_when_it_is_back() {
    let root = TempDir::new().unwrap();
    let web = web(&root);
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let base = format!("http://{address}");
    let mut once = grpc(root.path(), &base, &["--once"]);
    let (success, said) = ended(once.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500"));
    assert!(!success && said.contains("refused"), "{said}");
    let _pusher = Pusher::of(&mut grpc(root.path(), &base, &["--interval", "100ms"]));
    web.requests.add(4);
    let receiver = Receiver::listen(TcpListener::bind(address).unwrap(), []);
    assert_eq!(requests(&receiver.next()), Some(9.0));
}

#[test]
fn a_server_of_something_else_or_of_nothing_is_no_success() {
    let root = TempDir::new().unwrap();
    let _web = web(&root);
    // HTTP/1, and a server that never answers.
    let http = super::receiver::Receiver::start([]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for base in [
        http.base(),
        format!("http://{}", silent.local_addr().unwrap()),
    ] {
        let mut once = grpc(root.path(), &base, &["--once"]);
        let (success, said) = ended(once.env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"));
        assert!(!success && said.contains("cannot push"), "{said}");
    }
    let mut once = grpc(root.path(), "http://localhost/v1/metrics", &["--once"]);
    let (success, said) = ended(&mut once);
    assert!(!success && said.contains("has no path"), "{said}");
}

#[test]
fn no_message_is_larger_than_servers_take() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let web = web(&root);
    let handler: &'static str = "n".repeat(240).leak();
    for number in 0..9_000u16 {
        let group = web.handlers.group(&format!("{handler}{number}"));
        group.response_ok.add(number.into());
        let status = number;
        web.routes
            .group(&Route { handler, status })
            .response_ok
            .inc();
    }
    assert_eq!(
        ended(&mut grpc(root.path(), &receiver.base(), &["--once"])),
        (true, String::new())
    );
    let (mut found, mut bytes) = (HashMap::new(), 0);
    while let Ok(request) = receiver.requests.try_recv() {
        bytes += request.message.encoded_len();
        for resource in &request.message.resource_metrics {
            for name in ["my-app.response_ok", "my-app.route.response_ok"] {
                let Some((points, _)) = points(resource, name) else {
                    continue;
                };
                for point in points {
                    let mut key: Vec<_> = keys_and_values(&point.attributes).into_iter().collect();
                    key.sort();
                    found.insert(key, number(point));
                }
            }
        }
    }
    assert!(bytes > MESSAGE_MOST, "{bytes}");
    assert_eq!(found.len(), 18_000);
    let last = ("handler".to_owned(), format!("{handler}8999"));
    assert_eq!(found[&vec![last]], 8999.0);
}

#[test]
fn within_a_task_of_another_runtime_a_push_only_blocks() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(&root);
    let options = Options {
        protocol: Protocol::Grpc,
        endpoint: receiver.base(),
        paths: vec![root.path().into()],
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        // It is dropped there, too.
        let mut pusher = mmstats::push::otlp::Pusher::new(options).unwrap();
        pusher.push().unwrap();
    });
    assert_eq!(requests(&receiver.next()), Some(5.0));
}
