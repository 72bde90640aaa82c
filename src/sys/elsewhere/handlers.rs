//! What runs at a fork and at the exit: nothing.

/// Nothing to register.
pub fn register() {}
