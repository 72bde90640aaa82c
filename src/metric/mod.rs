//! The kinds of metrics. One folder is one kind: its handle (how it is written), its value, its decoding
//! and merging (how it is read), and what it says to exporters (`samples`). A new kind is a new folder
//! and its lines in [`registry`], and a variant of [`Value`] and a code in [`kind::code`].
//!
//! Every kind reads bytes of zero as "nothing yet", so that a block is ready when its space is.

pub mod average;
pub mod compound;
pub mod constant;
pub mod context;
pub mod counter;
pub mod double_double;
pub mod errors;
pub mod extents;
pub mod field;
pub mod flag;
pub mod gauge;
pub mod history;
mod hot_cold;
pub mod kind;
pub mod moving_average;
pub mod one_thread;
pub mod percentile;
pub mod registry;
pub mod sample;
pub mod sampling_counter;
pub mod storage;
pub mod summary;
pub mod text;
pub mod timer;
pub mod updown;
pub mod value;
pub mod window;

pub use value::Value;
