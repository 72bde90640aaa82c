//! From objects to bytes and back. The default is postcard; a call may bring its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// What a serializer of the caller's own may fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The default serializer.
pub fn serialize<T: Serialize + ?Sized>(object: &T) -> Result<Vec<u8>, Failure> {
    Ok(postcard::to_stdvec(object)?)
}

/// The default deserializer. Bytes that are left over are an error: they were another type's.
pub fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    match postcard::take_from_bytes(bytes)? {
        (object, []) => Ok(object),
        (_, rest) => Err(format!("{} bytes are left over", rest.len()).into()),
    }
}

/// Runs a serializer, a deserializer or a factory; a panic in it becomes an error.
pub fn caught<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // What a panic leaves behind is the caller's: nothing of ours is changed while `work` runs.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// A panic as an error.
pub fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = (panic.downcast_ref::<&str>().copied())
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::Panicked(text.unwrap_or("(no text)").into())
}

/// A failure of a serializer as an error.
pub fn failed(failure: Failure) -> Error {
    Error::Serializer(Arc::from(failure.to_string()))
}
