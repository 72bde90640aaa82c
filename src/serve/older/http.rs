//! The routes and handlers for clients of the older systems.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value as Json, json};

use super::{Refusal, aka_stats, mmash};
use crate::reader::Per;
use crate::serve::Shared;
use crate::serve::request::{Query, RequestError, blocking, json_response};

/// Returns the routes of aka-stats and of mmash.
pub(in crate::serve) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/available-stats", strict(get(available_stats)))
        .route("/api/v1/stats", strict(post(stats)))
        .route("/api/v1/stats/{label}", strict(get(stat)))
        .route("/api/v1/stats-history/{label}", strict(get(history)))
        .route("/api/v1/stat-contexts", strict(post(contexts)))
        .route("/stats/", get(mmash_labels))
        .route("/stats/{label}", get(mmash_stat))
        .route("/files/", get(mmash_files))
        .route("/files/{*glob}", get(mmash_files_of))
}

/// Adds FastAPI's answer to other methods.
fn strict(route: MethodRouter<Shared>) -> MethodRouter<Shared> {
    route.fallback(|| async {
        let body = json!({"detail": "Method Not Allowed"});
        (
            StatusCode::METHOD_NOT_ALLOWED,
            json_response(body.to_string()),
        )
    })
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, json_response(self.body().to_string())).into_response()
    }
}

/// The result of a handler.
type Answer = Result<Response, RequestError>;

/// Makes an answer from the last reading, or from the values of each file.
async fn answer<A: Into<Json>>(
    shared: Shared,
    per: Per,
    make: impl FnOnce(&[crate::reader::Snapshot]) -> Result<A, Refusal> + Send + 'static,
) -> Answer {
    let made = blocking(move || {
        let made = match per {
            Per::Model => make(&shared.agent.reading().snapshots),
            per => make(&shared.agent.apart(per).0),
        };
        made.map(|answer| answer.into().to_string())
    });
    Ok(match made.await? {
        Ok(text) => json_response(text),
        Err(refusal) => refusal.into_response(),
    })
}

/// Returns the last value of a key, which is the one that FastAPI uses.
fn last(query: &Query, key: &str) -> Option<String> {
    query.all(key).last().map(str::to_owned)
}

/// Returns the first value of a key if it is not empty, as in Flask and mmash.
fn first(query: &Query, key: &str) -> Option<String> {
    query
        .get(key)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

async fn available_stats(State(shared): State<Shared>, RawQuery(raw): RawQuery) -> Answer {
    let matcher = last(&Query::new(raw.as_deref()), "matcher");
    answer(shared, Per::Model, move |snapshots| {
        aka_stats::available_stats(snapshots, matcher.as_deref())
    })
    .await
}

async fn stat(State(shared): State<Shared>, Path(label): Path<String>) -> Answer {
    answer(shared, Per::Model, move |snapshots| {
        Ok(aka_stats::stat(snapshots, &label))
    })
    .await
}

async fn stats(State(shared): State<Shared>, body: Bytes) -> Answer {
    answer(shared, Per::Model, move |snapshots| {
        let labels = aka_stats::strings("labels", &body)?;
        Ok(aka_stats::stats(snapshots, &labels))
    })
    .await
}

async fn history(State(shared): State<Shared>, Path(label): Path<String>) -> Answer {
    answer(shared, Per::Model, move |snapshots| {
        Ok(aka_stats::history(snapshots, &label))
    })
    .await
}

async fn contexts(State(shared): State<Shared>, body: Bytes) -> Answer {
    answer(shared, Per::Model, move |snapshots| {
        let ids = aka_stats::strings("context_ids", &body)?;
        Ok(aka_stats::contexts(snapshots, &ids))
    })
    .await
}

async fn mmash_labels(State(shared): State<Shared>) -> Answer {
    answer(shared, Per::File, |snapshots| Ok(mmash::stats(snapshots))).await
}

async fn mmash_stat(
    State(shared): State<Shared>,
    Path(label): Path<String>,
    RawQuery(raw): RawQuery,
) -> Answer {
    let query = Query::new(raw.as_deref());
    let is_exact = first(&query, "exact").is_some();
    let (aggr, glob) = (first(&query, "aggr"), first(&query, "glob"));
    answer(shared, Per::File, move |snapshots| {
        mmash::stat(
            snapshots,
            &label,
            is_exact,
            aggr.as_deref(),
            glob.as_deref(),
        )
    })
    .await
}

async fn mmash_files(State(shared): State<Shared>) -> Answer {
    answer(shared, Per::File, |snapshots| mmash::files(snapshots, None)).await
}

async fn mmash_files_of(State(shared): State<Shared>, Path(glob): Path<String>) -> Answer {
    answer(shared, Per::File, move |snapshots| {
        mmash::files(snapshots, Some(&glob))
    })
    .await
}
