//! Numbers in JSON.

use serde_json::Value as Json;

use crate::Number;

pub(super) fn number(number: Number) -> Json {
    match number {
        Number::Int(n) => integer(n),
        Number::Float(x) => float(x),
    }
}

/// Returns the integer, or the nearest float if it does not fit into 64 bits (a sum over many
/// files).
pub(super) fn integer(n: i128) -> Json {
    match (u64::try_from(n), i64::try_from(n)) {
        (Ok(n), _) => n.into(),
        (_, Ok(n)) => n.into(),
        _ => float(n as f64),
    }
}

/// Returns the float; NaN and infinities are null.
pub(super) fn float(x: f64) -> Json {
    serde_json::Number::from_f64(x).map_or(Json::Null, Json::Number)
}
