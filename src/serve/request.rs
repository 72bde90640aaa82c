//! Shared parts of the request handlers: the query, work on other threads, and the answer or refusal.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::reader::Per;

/// A query string: keys and values, in order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string. Invalid UTF-8 is replaced.
    pub fn new(raw: Option<&str>) -> Query {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// Returns the first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let (_, value) = pairs.find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Returns all values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter();
        pairs
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| &**value)
    }

    /// Returns the value of `per`.
    pub fn per(&self) -> Result<Per, RequestError> {
        match self.get("per") {
            None | Some("" | "model") => Ok(Per::Model),
            Some("process") => Ok(Per::Process),
            Some("file") => Ok(Per::File),
            Some(other) => Err(RequestError::bad(format!(
                "per={other:?}: expected model, process or file"
            ))),
        }
    }

    /// Returns the seconds of a key, if it is given.
    pub fn seconds(&self, key: &str) -> Result<Option<f64>, RequestError> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(Some(seconds)),
            _ => Err(RequestError::bad(format!(
                "{key}={text:?} is not a number of seconds"
            ))),
        }
    }

    /// Returns the patterns of labels.
    pub fn patterns(&self) -> Vec<String> {
        self.all("match").map(str::to_owned).collect()
    }
}

/// A refused request: the status and the reason.
pub struct RequestError(pub StatusCode, pub String);

impl RequestError {
    /// Refuses wrong usage.
    pub fn bad(problem: String) -> RequestError {
        RequestError(StatusCode::BAD_REQUEST, problem)
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Runs work that blocks or computes on another thread than those that serve connections.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RequestError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        let problem = "the request failed: see the agent's log".to_owned();
        RequestError(StatusCode::INTERNAL_SERVER_ERROR, problem)
    })
}

/// Returns JSON as an answer.
pub fn json_response(text: impl Into<Bytes>) -> Response {
    (
        [(CONTENT_TYPE, "application/json")],
        Body::from(text.into()),
    )
        .into_response()
}
