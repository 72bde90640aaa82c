//! What the handlers of requests need: the query, the work off their threads, and the answer or refusal.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::reader::Per;

/// A query string: keys and values, in their order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes it. What is not UTF-8 is replaced.
    pub fn new(raw: Option<&str>) -> Query {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let (_, value) = pairs.find(|(name, _)| name == key)?;
        Some(value)
    }

    /// All values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter();
        pairs
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| &**value)
    }

    /// What `per` says.
    pub fn per(&self) -> Result<Per, Refused> {
        match self.get("per") {
            None | Some("" | "model") => Ok(Per::Model),
            Some("process") => Ok(Per::Process),
            Some("file") => Ok(Per::File),
            Some(other) => Err(Refused::bad(format!(
                "per={other:?}: there are model, process and file"
            ))),
        }
    }

    /// The seconds of a key, if there are some.
    pub fn seconds(&self, key: &str) -> Result<Option<f64>, Refused> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(Some(seconds)),
            _ => Err(Refused::bad(format!(
                "{key}={text:?} is no number of seconds"
            ))),
        }
    }

    /// The patterns of labels.
    pub fn patterns(&self) -> Vec<String> {
        self.all("match").map(str::to_owned).collect()
    }
}

/// A request that is refused: the status, and why.
pub struct Refused(pub StatusCode, pub String);

impl Refused {
    /// For wrong usage.
    pub fn bad(problem: String) -> Refused {
        Refused(StatusCode::BAD_REQUEST, problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Does work that blocks or computes, off the threads that serve connections.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        let problem = "the request failed: see the agent's log".to_owned();
        Refused(StatusCode::INTERNAL_SERVER_ERROR, problem)
    })
}

/// JSON as an answer.
pub fn json_response(text: impl Into<Bytes>) -> Response {
    (
        [(CONTENT_TYPE, "application/json")],
        Body::from(text.into()),
    )
        .into_response()
}
