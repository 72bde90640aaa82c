//! Readers in other languages, which are written from docs/FORMAT.md: they say what `mmstats show --json` says.

#[path = "readers/node.rs"]
mod node;
