//! What aka-stats calls things: labels, the numbers of a label, and histories with contexts, made of series.
//!
//! Its HTTP interface (`serve`) and its Redis keys (`push`) say the same.

pub(crate) mod history;
pub(crate) mod source;
pub(crate) mod stat;
