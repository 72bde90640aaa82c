//! From objects to bytes and back. The default is postcard; a call may use its own serializer.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// The error of a caller's own serializer.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The default serializer.
pub fn serialize<T: Serialize + ?Sized>(object: &T) -> Result<Vec<u8>, Failure> {
    Ok(postcard::to_stdvec(object)?)
}

/// The default deserializer. Bytes that are left over are an error: they belong to another type.
pub fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    match postcard::take_from_bytes(bytes)? {
        (object, []) => Ok(object),
        (_, rest) => Err(format!("{} bytes are left over", rest.len()).into()),
    }
}

/// Runs a serializer, a deserializer or a factory, and turns a panic in it into an error.
pub fn caught<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // Unwind safe: whatever a panic leaves behind belongs to the caller; none of our state changes while `work` runs.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Turns a panic into an error.
pub fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = (panic.downcast_ref::<&str>().copied())
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::Panicked(text.unwrap_or("(no text)").into())
}

/// Turns the failure of a serializer into an error.
pub fn failed(failure: Failure) -> Error {
    Error::Serializer(Arc::from(failure.to_string()))
}
