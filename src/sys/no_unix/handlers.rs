//! What runs at a fork and at the exit: nothing on this platform.

/// Does nothing: there is nothing to register.
pub fn register() {}
