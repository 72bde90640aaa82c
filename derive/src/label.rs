//! The rules for labels and for prefixes of labels.
//!
//! The main crate applies the same rules when it creates files (`src/writer/names.rs`): it accepts every label that
//! the derive accepts. `tests/writer/labels.rs` compares the two.

/// The maximum length of a label, in bytes.
const MOST: usize = 1024;

/// What the main crate appends to the label of a metric with a window, for the window.
pub const WINDOW: &str = ".Window";

/// Returns the rule that a label breaks, if any, as the end of a sentence.
pub fn problem(label: &str) -> Option<&'static str> {
    Some(if label.is_empty() {
        "must not be empty"
    } else if label.len() > MOST {
        "must have at most 1024 bytes"
    } else if label.chars().any(char::is_control) {
        "must not contain control characters"
    } else if label.split('.').any(str::is_empty) {
        "must not have empty parts: it cannot begin or end with a dot or contain `..`"
    } else {
        return None;
    })
}

/// Returns the same for a prefix of labels, which may end with a dot.
pub fn prefix_problem(prefix: &str) -> Option<&'static str> {
    problem(prefix.strip_suffix('.').unwrap_or(prefix))
}

/// The maximum length of the key of a label, in bytes.
const KEY_MOST: usize = 256;

/// Returns the rule that the key of a label breaks, as in `{key="value"}`.
pub fn key_problem(key: &str) -> Option<&'static str> {
    Some(if key.is_empty() {
        "must not be empty"
    } else if key.len() > KEY_MOST {
        "must have at most 256 bytes"
    } else if key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "must not contain white space or control characters"
    } else if key.contains(['{', '}', ',', '=', '"']) {
        "must not contain `{`, `}`, `,`, `=` or `\"`"
    } else {
        return None;
    })
}

/// Returns the rule that the value of a label breaks.
pub fn value_problem(value: &str) -> Option<&'static str> {
    Some(if value.len() > MOST {
        "must have at most 1024 bytes"
    } else if value.chars().any(|c| c.is_control() && c != '\n') {
        "must not contain control characters except the line feed"
    } else {
        return None;
    })
}
