//! Encoders: write a reading as a page for Prometheus or OpenMetrics, as JSON or as CSV.
//!
//! They take the series of a snapshot and know nothing about files. A page for Prometheus is made in two steps:
//! [`Families`] gives every series its name, type and labels, the same for all formats, and [`TextFormat`] or
//! [`protobuf`] then writes them.
//!
//! ```no_run
//! use mmstats::export::{Families, TextFormat};
//!
//! let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
//! let mut families = Families::new(false);
//! for model in snapshot.models() {
//!     families.add_model(model, "", &[]);
//! }
//! print!("{}", TextFormat::OPENMETRICS.page(families)); // # TYPE my_app_requests counter …
//! # Ok::<(), mmstats::Error>(())
//! ```
//!
//! # Names
//! A family is called `<prefix>_<metric>[_<unit>]` in snake case. The prefix is the model's name, unless
//! `#[mmstats(export = "…")]` sets another. A group's name becomes the label `group` (or the one set by
//! `group_label`); its labels become labels. See docs/DESIGN.md.
//!
//! # Histograms
//! The bounds `le` are upper ends of our own buckets, and they are the same for every timer, every integer percentile
//! and every float percentile. So each count is exactly the number of recorded values up to the bound. Native
//! histograms have schema 4; a quantile computed from them is within 4.9 % of the true one.

#[cfg(any(feature = "serve", feature = "push"))]
pub(crate) mod aka_stats;
pub(crate) mod bounds;
mod csv;
pub(crate) mod disambiguate;
mod families;
pub mod json;
mod names;
pub(crate) mod native;
pub mod protobuf;
mod text;

pub use self::csv::write_csv;
pub use self::families::Families;
pub use self::names::Escaping;
#[cfg(feature = "push")]
pub(crate) use self::names::snake_case;
pub use self::text::TextFormat;
