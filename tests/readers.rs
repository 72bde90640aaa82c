//! The readers in other languages, from `docs/readers`: each is one file that was written from docs/FORMAT.md alone,
//! and each prints, value by value, what `mmstats show --json` prints.
//!
//! A scene (`golden`, `live`, `damaged`, `racing`) is created once, and all readers read it. To add a reader, add a
//! module that says how to start it, and a line in [`compare::readers`]. A reader whose language is not installed is
//! skipped with a message; with MMSTATS_REQUIRE_REAL=1 that is a failure.

#[path = "readers/c.rs"]
mod c;
#[allow(dead_code, reason = "these children are not talked to")]
#[path = "writer/child.rs"]
mod child;
#[path = "readers/compare.rs"]
mod compare;
#[path = "readers/damaged.rs"]
mod damaged;
#[path = "readers/entries.rs"]
mod entries;
#[path = "readers/golden.rs"]
mod golden;
#[path = "readers/live.rs"]
mod live;
#[path = "readers/models.rs"]
mod models;
#[path = "readers/node.rs"]
mod node;
#[path = "readers/python.rs"]
mod python;
#[path = "readers/racing.rs"]
mod racing;
