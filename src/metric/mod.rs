//! The kinds of metrics. One file is one kind: its handle (how it is written), its decoding and its
//! merging (how it is read). A new kind is a new file, a line in [`kind::KINDS`] and a variant of
//! [`Value`].
//!
//! Every kind reads bytes of zero as "nothing yet", so that a block is ready when its space is.

pub mod average;
pub mod compound;
pub mod constant;
pub mod context;
pub mod counter;
pub mod double_double;
pub mod errors;
pub mod field;
pub mod flag;
pub mod gauge;
pub mod history;
mod hot_cold;
pub mod kind;
pub mod moving_average;
pub mod one_thread;
pub mod percentile;
pub mod sampling_counter;
pub mod storage;
pub mod summary;
pub mod text;
pub mod timer;
pub mod updown;
mod value;
pub mod window;

use std::ops::RangeInclusive;

pub use value::Value;

use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};

/// A metric that is one word.
fn check_word(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != Geometry::WORD {
        return Err(format!("{:?} where one word is wanted", schema.geometry));
    }
    Ok(())
}

/// A metric that is a slot of so many words, with so many plain ones beside it.
fn check_slot(
    schema: &MetricSchema,
    name: &str,
    wanted: RangeInclusive<usize>,
    beside: u32,
) -> Result<(), String> {
    let Geometry {
        buffers,
        words,
        plain,
    } = schema.geometry;
    if buffers == 0 || !wanted.contains(&words.into()) || u32::from(plain) != beside {
        return Err(format!(
            "{name} with {buffers} buffers of {words} words, {plain} beside"
        ));
    }
    Ok(())
}

/// A metric that is one word of a number: neither a truth nor a text.
fn check_number(schema: &MetricSchema) -> Result<(), String> {
    check_word(schema)?;
    match schema.scalar {
        None | Some(Scalar::Bool | Scalar::Text) => {
            Err(format!("{:?} where a number is wanted", schema.scalar))
        }
        Some(_) => Ok(()),
    }
}
