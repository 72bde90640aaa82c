//! The rules for labels and for prefixes of labels.
//!
//! The main crate applies the same rules when it creates files (`src/writer/names.rs`): it accepts every label that
//! the derive accepts. `tests/writer/labels.rs` compares the two.

/// The maximum length of a label, in bytes.
const MOST: usize = 1024;

/// What the main crate appends to the label of a metric with a window, for the window.
pub const WINDOW: &str = ".Window";

/// Returns what is wrong with a label, if anything, as the end of a sentence.
pub fn problem(label: &str) -> Option<&'static str> {
    Some(if label.is_empty() {
        "is not empty"
    } else if label.len() > MOST {
        "has at most 1024 bytes"
    } else if label.chars().any(char::is_control) {
        "has no control characters"
    } else if label.split('.').any(str::is_empty) {
        "has no empty parts: it neither begins nor ends with a dot, nor contains `..`"
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

/// Returns what is wrong with the key of a label, as in `{key="value"}`.
pub fn key_problem(key: &str) -> Option<&'static str> {
    Some(if key.is_empty() {
        "is not empty"
    } else if key.len() > KEY_MOST {
        "has at most 256 bytes"
    } else if key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "has neither white space nor control characters"
    } else if key.contains(['{', '}', ',', '=', '"']) {
        "has none of `{`, `}`, `,`, `=` and `\"`"
    } else {
        return None;
    })
}

/// Returns what is wrong with the value of a label.
pub fn value_problem(value: &str) -> Option<&'static str> {
    Some(if value.len() > MOST {
        "has at most 1024 bytes"
    } else if value.chars().any(|c| c.is_control() && c != '\n') {
        "has no control characters but the line feed"
    } else {
        return None;
    })
}
