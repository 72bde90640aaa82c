//! Memory-mapped, lock-free metrics.

#![cfg_attr(loom, allow(dead_code))]

// Public for this project's own model checks and benches only.
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod sync;

#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod metric;
#[cfg(not(loom))]
mod sys;
#[cfg(not(loom))]
mod writer;
#[cfg(not(loom))]
pub mod reader;

#[cfg(not(loom))]
pub use library::*;

#[cfg(not(loom))]
mod library {
    pub use crate::error::Error;
    pub use crate::format::bytes::Malformed;
    pub use crate::format::scalar::{Number, Scalar};
    pub use crate::format::schema::Merge;
    pub use crate::metric::compound::{Compound, CompoundValue, MmValue};
    pub use crate::metric::constant::{Constant, ConstantType};
    pub use crate::metric::counter::Counter;
    pub use crate::metric::distribution::{Distribution, PERCENTILES};
    pub use crate::metric::flag::Flag;
    pub use crate::metric::gauge::{Gauge, Numeric};
    pub use crate::metric::percentile::Percentile;
    pub use crate::metric::text::Text;
    pub use crate::metric::timer::{Stopwatch, Timer, Timing};
    pub use crate::metric::updown::UpDown;
    pub use crate::metric::Value;
    pub use crate::writer::{Adding, Builder, Group, Groups, MmStats, Stats, Writer};
    #[cfg(feature = "derive")]
    pub use mmstats_derive::{MmStats, MmValue};

    /// What the derives' code names. Not for anyone else.
    #[doc(hidden)]
    pub mod __private {
        pub use crate::format::scalar::Scalar;
        pub use crate::format::schema::Merge;
        pub use crate::metric::compound::{ValueElement, ValueField};
        pub use crate::metric::field::{
            Binder, ConstantField, Describe, Field, Options, TakesBuffers, TakesDigits, TakesMerge,
            TakesPrefix, TakesUnit,
        };
        pub use crate::writer::LocalCell;
    }
}
