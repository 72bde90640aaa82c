//! The agent's own interface, in JSON: snapshots, the past, a stream, processes.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Map, Value as Json, json};
use tokio::sync::Semaphore;

use super::Shared;
use super::past::{Line, TrackInfo};
use super::request::{Query, RequestError, blocking, json_response};
use super::time::unix_seconds;
use crate::export::json::Document;
use crate::reader::{Per, Series, Snapshot, matches};

/// The maximum number of series in one answer about the past.
const SERIES_MOST: usize = 2_000;
/// The longest span of the past, in seconds.
const LAST_MOST: f64 = 86_400.0;
/// Limits the streams at a time. The remaining connections are for everything else.
static STREAMS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(256)));

pub async fn snapshot(
    State(shared): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Response, RequestError> {
    let query = Query::new(raw.as_deref());
    let (per, patterns) = (query.per()?, query.patterns());
    let text = blocking(move || match per {
        Per::Model => {
            let reading = shared.agent.reading();
            document(&reading.snapshots, &reading.failures, &patterns)
        }
        per => {
            let read = shared.agent.apart(per);
            document(&read.0, &read.1, &patterns)
        }
    });
    Ok(json_response(text.await?))
}

/// Returns the object of `show --json` for the series that match.
fn document(
    snapshots: &[Snapshot],
    failures: &[(PathBuf, String)],
    patterns: &[String],
) -> Vec<u8> {
    let wanted = |series: &Series| is_wanted(patterns, series.label());
    let document = Document {
        snapshots: snapshots.iter().collect(),
        failures,
        wanted: &wanted,
    };
    serde_json::to_vec(&document).expect("maps with keys that are strings")
}

/// Returns whether a label matches one of the patterns. Without patterns, any label matches.
fn is_wanted(patterns: &[String], label: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, label))
}

pub async fn series(
    State(shared): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Response, RequestError> {
    let query = Query::new(raw.as_deref());
    let patterns = query.patterns();
    let model = query.get("model").map(str::to_owned);
    let with_octaves = matches!(query.get("heat"), Some("1" | "true"));
    let until = query.seconds("until")?;
    let last = query.seconds("last")?.unwrap_or(300.0).min(LAST_MOST);
    let until = until.unwrap_or_else(|| unix_seconds(SystemTime::now()));
    let text = blocking(move || {
        let wanted = |about: &TrackInfo| {
            is_wanted(&patterns, &about.label)
                && model.as_ref().is_none_or(|model| *model == about.model)
        };
        let (interval, mut lines) = shared.agent.lines((until - last, until), wanted);
        let left_out = lines.len().saturating_sub(SERIES_MOST);
        lines.truncate(SERIES_MOST);
        let mut object = json!({
            "interval": interval.as_secs(),
            "series": lines.iter().map(|line| series_json(line, until - last, with_octaves)).collect::<Vec<_>>(),
        });
        if left_out > 0 {
            object["left_out"] = left_out.into();
        }
        object.to_string()
    });
    Ok(json_response(text.await?))
}

/// Returns a series with its points from a time on. Rates are per second.
fn series_json(line: &Line, from: f64, with_octaves: bool) -> Json {
    let about = &*line.about;
    let has_percentiles = matches!(about.kind, "timer" | "percentile");
    let mut columns = vec!["time", "value"];
    if about.is_total {
        columns.push("rate");
    }
    if has_percentiles {
        columns.extend(["p50", "p90", "p99"]);
    }
    let mut before: Option<(f64, f64)> = None;
    let mut heat = Vec::new();
    let points: Vec<Json> = (line.points.iter())
        .filter_map(|(time, point)| {
            let mut row = vec![json!(time), json!(point.value)];
            if about.is_total {
                // A total that falls has begun anew.
                let rate = before
                    .filter(|(at, _)| time > at)
                    .map(|(at, value)| (point.value - value).max(0.0) / (time - at));
                row.push(json!(rate));
                before = Some((*time, point.value));
            }
            if has_percentiles {
                match point.percentiles {
                    Some(percentiles) => row.extend(percentiles.map(|x| json!(four_digits(x)))),
                    None => row.extend([Json::Null, Json::Null, Json::Null]),
                }
            }
            if *time < from {
                return None;
            }
            let octaves = point.octaves.iter();
            heat.push(
                octaves
                    .map(|&(octave, n)| json!([octave.low(about.divisor), n]))
                    .collect::<Json>(),
            );
            Some(row.into())
        })
        .collect();
    let mut object = json!({
        "model": about.model,
        "label": about.label,
        "metric": about.metric,
        "kind": about.kind,
        "unit": about.unit,
        "help": about.help,
        "columns": columns,
        "points": points,
    });
    if !about.part.is_empty() {
        object["part"] = about.part.as_str().into();
    }
    if let Some(group) = &about.group {
        object["group"] = group.as_str().into();
    }
    if !about.labels.is_empty() {
        let labels = about.labels.iter().cloned();
        object["labels"] = labels
            .map(|(key, value)| (key, value.into()))
            .collect::<Map<_, _>>()
            .into();
    }
    if with_octaves && has_percentiles {
        object["heat"] = heat.into();
    }
    object
}

/// Returns the number with one digit more than the past keeps.
fn four_digits(x: f32) -> Option<f64> {
    format!("{x:.3e}").parse().ok()
}

/// Sends server-sent events: a snapshot once a second.
pub async fn stream(
    State(shared): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Response, RequestError> {
    let Ok(permit) = Arc::clone(&STREAMS).try_acquire_owned() else {
        let problem = "too many streams: try again later".to_owned();
        return Err(RequestError(StatusCode::SERVICE_UNAVAILABLE, problem));
    };
    let patterns = Query::new(raw.as_deref()).patterns();
    let mut readings = shared.agent.ticks();
    // The current reading is sent at once.
    readings.mark_changed();
    let state = (readings, patterns, permit);
    let events = stream::unfold(state, |(mut readings, patterns, permit)| async move {
        readings.changed().await.ok()?;
        let reading = Arc::clone(&readings.borrow_and_update());
        let wanted = patterns.clone();
        let event = blocking(move || {
            if wanted.is_empty() {
                return reading
                    .event(|| event(&document(&reading.snapshots, &reading.failures, &[])));
            }
            event(&document(&reading.snapshots, &reading.failures, &wanted))
        });
        Some((
            Ok::<_, Infallible>(event.await.ok()?),
            (readings, patterns, permit),
        ))
    });
    let kind = [(CONTENT_TYPE, "text/event-stream")];
    Ok((kind, Body::from_stream(events)).into_response())
}

/// Returns a snapshot as an event. Its JSON contains no line breaks.
fn event(document: &[u8]) -> Bytes {
    let mut event = b"event: snapshot\ndata: ".to_vec();
    event.extend(document);
    event.extend(b"\n\n");
    event.into()
}

pub async fn processes(State(shared): State<Shared>) -> Result<Response, RequestError> {
    let text = blocking(move || {
        shared.agent.reading();
        shared
            .agent
            .with_processes(|processes| processes.json().to_string())
    });
    Ok(json_response(text.await?))
}
