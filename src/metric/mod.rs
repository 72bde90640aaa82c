//! The kinds of metrics. Each kind has a folder with its handle (how it is written), its value, its decoding
//! and merging (how it is read), and the parts that it shows to exporters (`samples`). A new kind needs a
//! folder, its lines in [`registry`], a variant of [`Value`] and a code in [`kind::code`].
//!
//! Every kind reads zero bytes as "nothing yet", so a block is ready as soon as its space is.

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
