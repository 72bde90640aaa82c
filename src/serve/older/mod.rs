//! The HTTP interfaces of the older systems, so that their clients work unchanged. They are functions of snapshots,
//! without a server. `aka_stats` answers as the FastAPI application of aka-stats 21.2.5 does, `mmash` as the Flask
//! application of python-mmstats 0.8.0.

pub(crate) mod aka_stats;
mod glob;
pub(in crate::serve) mod http;
pub(crate) mod mmash;

use serde_json::{Value, json};

/// An error in answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The problem in FastAPI's form: a sentence, or a list of problems.
    pub(crate) detail: Value,
}

impl Refusal {
    fn new(status: u16, detail: impl Into<Value>) -> Refusal {
        Refusal {
            status,
            detail: detail.into(),
        }
    }

    /// Returns the body of the answer: `{"detail": …}`.
    pub(crate) fn body(&self) -> Value {
        json!({"detail": self.detail})
    }
}
