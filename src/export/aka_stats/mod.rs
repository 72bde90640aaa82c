//! Series in the terms of aka-stats: labels, the numbers of a label, and histories with contexts.
//!
//! Its HTTP interface (`serve`) and its Redis keys (`push`) both use these.

pub(crate) mod history;
pub(crate) mod source;
pub(crate) mod stat;
