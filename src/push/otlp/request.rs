//! Metrics as bytes of requests.
//!
//! A resource is encoded in pieces, each a `ResourceMetrics` of its own, so that no request is too large whatever a
//! process counts. Between two attempts only the bytes are kept.

use super::message::{
    Any, CUMULATIVE, Data, Exemplar, Exponential, Gauge, Histogram, KeyValue, Metric as Message,
    Number, NumberPoint, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum, Summary,
    SummaryPoint,
};
use super::metrics::{Metric, Point, PointValue, Type};
use super::resource::unix_nanos;
use crate::format::scalar;
use prost::Message as _;

/// About how many bytes a piece has at most.
const PIECE: usize = 1 << 20;

/// A part of a resource, encoded.
#[derive(Debug)]
pub struct Piece {
    /// A `ResourceMetrics`.
    pub bytes: Vec<u8>,
    /// How many points are in it.
    pub points: u64,
}

/// All metrics of a resource, read at this time.
pub fn pieces(resource: &Resource, metrics: Vec<Metric>, time: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut part = Part::default();
    for metric in metrics {
        let mut points = metric.points.into_iter().peekable();
        while points.peek().is_some() {
            let mut some = Vec::new();
            while let Some(point) = points.next_if(|_| part.weight < PIECE) {
                part.weight += weight(&point);
                some.push(point);
            }
            part.points += some.len() as u64;
            part.metrics.push(Message {
                name: metric.name.clone(),
                description: metric.help.clone(),
                unit: metric.unit.clone(),
                data: Some(data(metric.kind, some, time)),
            });
            part.weight += metric.name.len() + metric.help.len() + 16;
            if part.weight >= PIECE {
                pieces.push(std::mem::take(&mut part).encoded(resource));
            }
        }
    }
    if part.points > 0 {
        pieces.push(part.encoded(resource));
    }
    pieces
}

/// What will be a piece.
#[derive(Default)]
struct Part {
    metrics: Vec<Message>,
    points: u64,
    weight: usize,
}

impl Part {
    fn encoded(self, resource: &Resource) -> Piece {
        let message = ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(Scope {
                    name: "mmstats".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }),
                metrics: self.metrics,
            }],
        };
        Piece {
            bytes: message.encode_to_vec(),
            points: self.points,
        }
    }
}

/// About how many bytes exemplars take.
fn exemplars(exemplars: &[Exemplar]) -> usize {
    exemplars.iter().map(Exemplar::encoded_len).sum()
}

/// About how many bytes a point takes.
fn weight(point: &Point) -> usize {
    let attributes = point.attributes.iter();
    let attributes: usize = attributes
        .map(|(key, value)| key.len() + value.len() + 8)
        .sum();
    let value = match &point.value {
        PointValue::Number(_) | PointValue::Summary { .. } => 0,
        PointValue::Histogram(point) => {
            point.bucket_counts.len() * 16 + exemplars(&point.exemplars)
        }
        PointValue::Exponential(point) => {
            let buckets = [&point.positive, &point.negative].into_iter().flatten();
            let buckets = buckets.map(|buckets| buckets.bucket_counts.len() * 4);
            buckets.sum::<usize>() + exemplars(&point.exemplars)
        }
    };
    attributes + value + 64
}

/// Points of one type, as the message of that type.
fn data(kind: Type, points: Vec<Point>, time: u64) -> Data {
    let numbers = |points: Vec<Point>| points.into_iter().filter_map(|p| number(p, kind, time));
    let with = |point: &Point| (start(point, time), attributes(&point.attributes));
    let temporality = CUMULATIVE;
    match kind {
        Type::Gauge => Data::Gauge(Gauge {
            data_points: numbers(points).collect(),
        }),
        Type::Counter | Type::Sum => Data::Sum(Sum {
            data_points: numbers(points).collect(),
            temporality,
            is_monotonic: kind == Type::Counter,
        }),
        Type::Histogram => {
            let points = points.into_iter().filter_map(|point| {
                let (start, attributes) = with(&point);
                let PointValue::Histogram(mut message) = point.value else {
                    return None;
                };
                (message.start, message.time) = (start, time);
                message.attributes = attributes;
                Some(*message)
            });
            Data::Histogram(Histogram {
                data_points: points.collect(),
                temporality,
            })
        }
        Type::Exponential => {
            let points = points.into_iter().filter_map(|point| {
                let (start, attributes) = with(&point);
                let PointValue::Exponential(mut message) = point.value else {
                    return None;
                };
                (message.start, message.time) = (start, time);
                message.attributes = attributes;
                Some(*message)
            });
            Data::Exponential(Exponential {
                data_points: points.collect(),
                temporality,
            })
        }
        Type::Summary => {
            let points = points.into_iter().filter_map(|point| {
                let (start, attributes) = with(&point);
                let PointValue::Summary { count, sum } = point.value else {
                    return None;
                };
                Some(SummaryPoint {
                    start,
                    time,
                    count,
                    sum,
                    attributes,
                })
            });
            Data::Summary(Summary {
                data_points: points.collect(),
            })
        }
    }
}

fn number(point: Point, kind: Type, time: u64) -> Option<NumberPoint> {
    let PointValue::Number(number) = point.value else {
        return None;
    };
    Some(NumberPoint {
        // A level is from no time on.
        start: match kind {
            Type::Gauge => 0,
            _ => start(&point, time),
        },
        time,
        value: Some(match number {
            scalar::Number::Float(float) => Number::Double(float),
            // Above 2^63 - 1 there is no integer.
            scalar::Number::Int(int) => match i64::try_from(int) {
                Ok(int) => Number::Int(int),
                Err(_) => Number::Double(int as f64),
            },
        }),
        attributes: attributes(&point.attributes),
    })
}

/// From when a point counts: never after it was read, and zero where that is not known.
fn start(point: &Point, time: u64) -> u64 {
    unix_nanos(point.since).min(time)
}

fn attributes(attributes: &[(String, String)]) -> Vec<KeyValue> {
    let attributes = attributes.iter();
    let text = |text: &String| Any::String(text.clone());
    attributes
        .map(|(key, value)| KeyValue::new(key, text(value)))
        .collect()
}
