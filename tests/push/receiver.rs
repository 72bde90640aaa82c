//! A receiver of OTLP over HTTP that accepts only valid requests, and answers as a test says.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver as Requests, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest as Export, ExportMetricsServiceResponse as Answer,
};
use prost::Message;

use super::checks::check;

/// How long a test waits for an event.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A receiver, on threads of its own until the tests end.
pub struct Receiver {
    pub address: SocketAddr,
    requests: Requests<Request>,
    replies: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

/// A request, whether it was accepted or not.
#[derive(Debug)]
pub struct Request {
    pub at: Instant,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub message: Export,
}

/// Returns an answer, after which the connection ends.
pub fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Returns the answer that some points were rejected.
pub fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let mut answer = Answer::default();
    let partial = answer.partial_success.get_or_insert_default();
    partial.rejected_data_points = rejected;
    message.clone_into(&mut partial.error_message);
    reply("200 OK", PROTOBUF, &answer.encode_to_vec())
}

const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";

impl Receiver {
    /// Creates a receiver that gives these replies first, and then accepts everything.
    pub fn start(replies: impl IntoIterator<Item = Vec<u8>>) -> Receiver {
        Receiver::listen(TcpListener::bind("127.0.0.1:0").unwrap(), replies)
    }

    pub fn listen(listener: TcpListener, replies: impl IntoIterator<Item = Vec<u8>>) -> Receiver {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let replies: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(replies.into_iter().collect()));
        let shared = Arc::clone(&replies);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, replies) = (sender.clone(), Arc::clone(&shared));
                thread::spawn(move || serve(&stream.unwrap(), &sender, &replies));
            }
        });
        Receiver {
            address,
            requests,
            replies,
        }
    }

    /// Adds the next reply.
    pub fn reply(&self, reply: Vec<u8>) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// Returns the next request. An invalid request is not returned: its thread panics, and the pusher gets no answer.
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("no request")
    }

    /// Returns the first wanted request, starting with the next one.
    pub fn until(&self, is_wanted: impl Fn(&Request) -> bool) -> Request {
        let begin = Instant::now();
        loop {
            let request = self.next();
            if is_wanted(&request) {
                return request;
            }
            assert!(begin.elapsed() < PATIENCE, "still {request:?}");
        }
    }

    /// Returns the next request, if there is one already.
    pub fn try_next(&self) -> Option<Request> {
        self.requests.try_recv().ok()
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(stream: &TcpStream, sender: &Sender<Request>, replies: &Mutex<VecDeque<Vec<u8>>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let reply = replies.lock().unwrap().pop_front();
        // Before the answer, so that a test has it before the pusher ends. The test may not wait for it any more.
        let _ = sender.send(request);
        let mut stream = stream;
        let is_accepted = reply.is_none();
        let reply = reply.unwrap_or_else(|| self::reply("200 OK", PROTOBUF, b""));
        // The pusher may have ended.
        if stream.write_all(&reply).is_err() || !is_accepted {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let at = Instant::now();
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("POST"), "{line}");
    let path = words.next().unwrap().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: usize = headers["content-length"].parse().unwrap();
    assert!(length <= 64 << 20);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if headers
        .get("content-encoding")
        .is_some_and(|of| of == "gzip")
    {
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&*body);
        decoder.read_to_end(&mut plain).unwrap();
        body = plain;
    }
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let message = Export::decode(&*body).unwrap();
    check(&message);
    Some(Request {
        at,
        path,
        headers,
        message,
    })
}
