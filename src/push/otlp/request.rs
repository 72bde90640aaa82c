//! Encodes metrics as requests.
//!
//! There is a point for each series of each process, so points are written directly, without Rust structs for their
//! messages. The numbers of the fields are those of opentelemetry/proto/metrics/v1/metrics.proto and its neighbours,
//! see [`message`](super::message).
//!
//! A resource is encoded in pieces, each a `ResourceMetrics` of its own, so that no request is too large whatever a
//! process counts. Between two attempts only the bytes are kept.

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::message::Scope;
use super::metrics::{Metric, Metrics, Point, PointValue, Type};
use crate::format::scalar::Number;

/// About the maximum number of bytes of a piece.
const PIECE: usize = 1 << 20;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// An encoded part of a resource.
#[derive(Debug)]
pub struct Piece {
    /// A `ResourceMetrics`.
    pub bytes: Vec<u8>,
    /// How many points are in it.
    pub points: u64,
}

/// Returns an `ExportMetricsServiceRequest`.
pub fn request<'a>(pieces: impl Iterator<Item = &'a Piece> + Clone) -> Vec<u8> {
    // The length of each takes at most 5 bytes.
    let length = pieces.clone().map(|piece| piece.bytes.len() + 6).sum();
    let mut request = Vec::with_capacity(length);
    for piece in pieces {
        bytes(1, &piece.bytes, &mut request);
    }
    request
}

/// Returns all metrics of a resource, read at `time`, in pieces. `resource` is an encoded `Resource`.
pub fn pieces(resource: &[u8], metrics: Metrics<'_>, time: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut part = Part::default();
    metrics.each(|metric, mut points| {
        while !points.is_empty() {
            points = part.add(metric, points, time);
            if part.metrics.len() >= PIECE {
                pieces.push(std::mem::take(&mut part).encoded(resource));
            }
        }
    });
    if part.points > 0 {
        pieces.push(part.encoded(resource));
    }
    pieces
}

/// A piece under construction.
#[derive(Default)]
struct Part {
    /// The field `metrics` of `ScopeMetrics`.
    metrics: Vec<u8>,
    points: u64,
}

impl Part {
    /// Adds a metric with as many of its points as there is space for, and returns the remaining points.
    fn add<'p, 'a>(
        &mut self,
        metric: &Metric<'_>,
        points: &'p [Point<'a>],
        time: u64,
    ) -> &'p [Point<'a>] {
        let mut rest = points;
        let before = self.metrics.len();
        message(2, &mut self.metrics, |out| {
            bytes(1, metric.name.as_bytes(), out);
            bytes(2, metric.help.as_bytes(), out);
            bytes(3, metric.unit.as_bytes(), out);
            message(data(metric.kind), out, |out| {
                while let Some((point, others)) = rest.split_first()
                    && (out.len() < PIECE || rest.len() == points.len())
                {
                    message(1, out, |out| write_point(point, metric.kind, time, out));
                    rest = others;
                }
                if !matches!(metric.kind, Type::Gauge | Type::Summary) {
                    varint(2, CUMULATIVE, out);
                }
                if metric.kind == Type::Counter {
                    varint(3, true.into(), out);
                }
            });
        });
        debug_assert!(self.metrics.len() > before);
        self.points += (points.len() - rest.len()) as u64;
        rest
    }

    fn encoded(self, resource: &[u8]) -> Piece {
        let scope = Scope {
            name: "mmstats".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut out = Vec::with_capacity(self.metrics.len() + resource.len() + 64);
        bytes(1, resource, &mut out);
        let scope = scope.encode_to_vec();
        let mut scope_metrics = Vec::new();
        bytes(1, &scope, &mut scope_metrics);
        encode_key(2, WireType::LengthDelimited, &mut out);
        encode_varint((scope_metrics.len() + self.metrics.len()) as u64, &mut out);
        out.extend(scope_metrics);
        out.extend(self.metrics);
        Piece {
            bytes: out,
            points: self.points,
        }
    }
}

/// Returns the number of the field of `Metric` for a type.
fn data(kind: Type) -> u32 {
    match kind {
        Type::Gauge => 5,
        Type::Counter | Type::Sum => 7,
        Type::Histogram => 9,
        Type::Exponential => 10,
        Type::Summary => 11,
    }
}

/// Writes a point as the message of its type.
fn write_point(point: &Point<'_>, kind: Type, time: u64, out: &mut Vec<u8>) {
    // The number of the field for attributes differs between the types.
    let attributes = match &point.value {
        PointValue::Number(number) => {
            match *number {
                Number::Float(float) => double(4, float, out),
                // Above 2^63 - 1 an integer does not fit.
                Number::Int(int) => match i64::try_from(int) {
                    Ok(int) => fixed(6, int.to_le_bytes(), out),
                    Err(_) => double(4, int as f64, out),
                },
            }
            7
        }
        PointValue::Histogram(histogram) => {
            write_message(&**histogram, out);
            9
        }
        PointValue::Exponential(histogram) => {
            write_message(&**histogram, out);
            1
        }
        PointValue::Summary { count, sum } => {
            fixed(4, count.to_le_bytes(), out);
            double(5, *sum, out);
            7
        }
    };
    // A level has no start. Otherwise the start is never after the reading, and zero if it is not known.
    if kind != Type::Gauge {
        fixed(2, point.since.min(time).to_le_bytes(), out);
    }
    fixed(3, time.to_le_bytes(), out);
    for (key, value) in &point.attributes {
        message(attributes, out, |out| write_attribute(key, value, out));
    }
}

/// Writes the fields of a message, to which others may be added.
fn write_message(message: &impl prost::Message, out: &mut Vec<u8>) {
    message.encode(out).expect("a vector grows");
}

/// Writes a `KeyValue` whose value is a text.
fn write_attribute(key: &str, value: &str, out: &mut Vec<u8>) {
    bytes(1, key.as_bytes(), out);
    message(2, out, |out| {
        // The value is a oneof, so it is written even if it is empty.
        encode_key(1, WireType::LengthDelimited, out);
        encode_varint(value.len() as u64, out);
        out.extend(value.as_bytes());
    });
}

/// Writes a message within another.
fn message(tag: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    // The length is known only afterwards, and nearly always takes one byte.
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length as u8;
    } else {
        let mut head = Vec::new();
        encode_varint(length as u64, &mut head);
        out.splice(at..=at, head);
    }
}

/// Writes a text, or an encoded message. An empty one is not written.
fn bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(bytes.len() as u64, out);
        out.extend(bytes);
    }
}

fn varint(tag: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(value, out);
}

fn double(tag: u32, value: f64, out: &mut Vec<u8>) {
    fixed(tag, value.to_le_bytes(), out);
}

fn fixed(tag: u32, value: [u8; 8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::SixtyFourBit, out);
    out.extend(value);
}
