//! Which names are valid.

use crate::Error;
use crate::format::bytes::{TEXT_MOST as TEXT_STORED, cut};
use crate::format::labels::LABELS_MOST;
use crate::format::schema::Schema;

/// The longest label, group or prefix, in bytes.
const TEXT_MOST: usize = 1024;

/// Returns what a message shows of a name. A name may have any length, but a message may not.
pub fn shown(name: &str) -> &str {
    cut(name, 256)
}

/// Checks a model's name, which is the name of a directory.
pub fn check_model(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains('/') {
        "contains '/', but must be the name of a single directory"
    } else if name.starts_with('.') {
        "begins with '.': such names are ignored"
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

/// Checks a label or a group's name: parts that are not empty, with dots between them.
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

/// The longest key of a label, in bytes.
const KEY_MOST: usize = 256;

/// Checks the labels of a group, which are sorted by key.
pub fn check_labels(labels: &[(String, String)]) -> Result<(), Error> {
    if labels.is_empty() || labels.len() > LABELS_MOST {
        return Err(Error::Name {
            what: "number of labels",
            name: labels.len().to_string(),
            problem: "is not between 1 and 64",
        });
    }
    for (key, value) in labels {
        check_key(key)?;
        check_value(value)?;
    }
    match labels.windows(2).find(|two| two[0].0 == two[1].0) {
        None => Ok(()),
        Some(two) => Err(Error::Name {
            what: "key of a label",
            name: shown(&two[0].0).to_owned(),
            problem: "is given twice",
        }),
    }
}

/// Checks the key of a label, which stands in the label text without quotation marks.
pub fn check_key(key: &str) -> Result<(), Error> {
    let problem = if key.is_empty() {
        "is empty"
    } else if key.len() > KEY_MOST {
        "is longer than 256 bytes"
    } else if key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "contains white space or a control character"
    } else if key.contains(['{', '}', ',', '=', '"']) {
        "contains one of { } , = \""
    } else {
        return Ok(());
    };
    Err(Error::Name {
        what: "key of a label",
        name: shown(key).to_owned(),
        problem,
    })
}

/// Checks the value of a label. It may have line feeds, because the label text escapes them.
fn check_value(value: &str) -> Result<(), Error> {
    let problem = if value.len() > TEXT_MOST {
        "is longer than 1024 bytes"
    } else if value.chars().any(|c| c.is_control() && c != '\n') {
        "contains a control character"
    } else {
        return Ok(());
    };
    Err(Error::Name {
        what: "value of a label",
        name: shown(value).to_owned(),
        problem,
    })
}

/// Makes a key and a value valid: invalid characters become `_`, and texts that are too long are cut.
pub fn valid_label(key: &str, value: &str) -> (String, String) {
    let character = |c: char| match c {
        '{' | '}' | ',' | '=' | '"' => '_',
        c if c.is_control() || c.is_whitespace() => '_',
        c => c,
    };
    let mut key: String = cut(key, KEY_MOST).chars().map(character).collect();
    // `_` is never longer than what it replaces.
    if key.is_empty() {
        key.push('_');
    }
    let character = |c: char| if c.is_control() && c != '\n' { '_' } else { c };
    let value = cut(value, TEXT_MOST).chars().map(character).collect();
    (key, value)
}

/// Makes a text a valid label of at most `most` bytes: invalid characters and empty parts become `_`.
#[cfg(feature = "metrics")]
pub fn valid_label_text(text: &str, most: usize) -> String {
    let mut valid = String::with_capacity(text.len());
    for part in text.split('.') {
        if !valid.is_empty() {
            valid.push('.');
        }
        match part {
            "" => valid.push('_'),
            _ => valid.extend(part.chars().map(|c| if c.is_control() { '_' } else { c })),
        }
    }
    // The cut may leave a dot at the end.
    let valid = cut(&valid, most.min(TEXT_MOST)).trim_end_matches('.');
    valid.to_owned()
}

/// Checks a text that is stored whole or not at all: a unit, a help text, the prefix of groups' labels.
pub fn check_length(what: &'static str, text: &str) -> Result<(), Error> {
    if text.len() <= TEXT_STORED {
        return Ok(());
    }
    Err(Error::Name {
        what,
        name: shown(text).to_owned(),
        problem: "is longer than 4096 bytes",
    })
}

/// Checks a unit.
fn check_unit(unit: &str) -> Result<(), Error> {
    if unit.chars().any(char::is_control) {
        return Err(Error::Name {
            what: "unit",
            name: shown(unit).to_owned(),
            problem: "contains a control character",
        });
    }
    check_length("unit", unit)
}

/// Checks all texts of a schema. In a model of `groups` a label may be empty: then the metric has the name of its
/// group.
pub fn check_schema(schema: &Schema, groups: bool) -> Result<(), Error> {
    check_model(&schema.model)?;
    check_length("help", &schema.help)?;
    for metric in &schema.metrics {
        if !(groups && metric.label.is_empty()) {
            check_label("label", &metric.label)?;
        }
        check_unit(&metric.unit)?;
        check_length("help", &metric.help)?;
        for field in metric.fields.iter() {
            check_label("field", &field.name)?;
        }
    }
    Ok(())
}

/// Checks the prefix of labels, which may be empty, and may end with a dot.
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
        assert!(check_unit(&"x".repeat(4097)).is_err());
        assert!(check_unit(&"x".repeat(4096)).is_ok());
        for (key, value) in [("", ""), ("a b", "a\tb"), ("{k=\"é\u{85}", "{k=\"é\u{85}")] {
            let (key, value) = valid_label(key, value);
            check_labels(&[(key, value)]).unwrap();
        }
        let (key, value) = valid_label(&"é".repeat(200), &"\u{85}".repeat(600));
        assert_eq!((key.len(), value.len()), (256, 512));
        assert!(check_prefix("").is_ok());
        assert!(check_prefix("web.").is_ok());
        assert!(check_prefix("web_").is_ok());
        assert!(check_prefix(".").is_err());
    }
}
