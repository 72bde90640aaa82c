//! What may be a name.

use crate::Error;
use crate::format::bytes::cut;

/// The longest label, group or prefix, in bytes.
const TEXT_MOST: usize = 1024;

/// What a message shows of a name: that may be of any length, the message not.
pub fn shown(name: &str) -> &str {
    cut(name, 256)
}

/// A model's name is the name of a directory.
pub fn check_model(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains('/') {
        "contains '/': it is the name of one directory"
    } else if name.starts_with('.') {
        "begins with '.': such names are not looked at"
    } else if name.len() > crate::format::header::NAME_MOST {
        "is longer than 255 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return Ok(());
    };
    Err(Error::Name {
        what: "model",
        name: shown(name).to_owned(),
        problem,
    })
}

/// A label or a group's name: parts that are not empty, with dots between them.
pub fn check_label(what: &'static str, name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.len() > TEXT_MOST {
        "is longer than 1024 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else if name.split('.').any(str::is_empty) {
        "has an empty part: it may not begin or end with '.', nor contain '..'"
    } else {
        return Ok(());
    };
    Err(Error::Name {
        what,
        name: shown(name).to_owned(),
        problem,
    })
}

/// What labels begin with: may be empty, and may end with a dot.
pub fn check_prefix(prefix: &str) -> Result<(), Error> {
    match prefix.strip_suffix('.').unwrap_or(prefix) {
        "" if prefix.is_empty() => Ok(()),
        rest => check_label("prefix", rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_refused() {
        for name in [
            "",
            "a/b",
            "/",
            ".",
            "..",
            ".hidden",
            "a\0b",
            "a\nb",
            &"x".repeat(256),
        ] {
            assert!(check_model(name).is_err(), "{name:?}");
        }
        for name in ["my-app", "Web", "größe", &"x".repeat(255)] {
            assert!(check_model(name).is_ok(), "{name:?}");
        }
        for name in ["", ".", "..", "a..b", ".a", "a.", "a\0", &"x".repeat(1025)] {
            assert!(check_label("group", name).is_err(), "{name:?}");
        }
        for name in ["index", "/index", "file:large.csv", "a.b"] {
            assert!(check_label("group", name).is_ok(), "{name:?}");
        }
        for error in [
            check_model(&"é".repeat(1000)),
            check_label("group", &"é".repeat(1000)),
        ] {
            let message = error.unwrap_err().to_string();
            assert!(message.contains("ééé") && message.len() < 320, "{message}");
        }
        assert!(check_prefix("").is_ok());
        assert!(check_prefix("web.").is_ok());
        assert!(check_prefix("web_").is_ok());
        assert!(check_prefix(".").is_err());
    }
}
