//! Names in the form that Prometheus and OpenMetrics accept.
//!
//! Names of families and labels made here always match `[a-zA-Z_][a-zA-Z0-9_]*`, which every server accepts.

/// Returns a program's name (`FooBar`, `my-app`, `timers.response`) in snake case: `foo_bar`, `my_app`,
/// `timers_response`. Any character outside `[a-zA-Z0-9_]` becomes an underscore.
pub fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut chars = name.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = chars.next() {
        if c.is_ascii_uppercase() {
            // `fooBar`, and `HTTPServer` before the S.
            let starts_word = match before {
                Some(b) if b.is_ascii_lowercase() || b.is_ascii_digit() => true,
                Some(b) => {
                    b.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase)
                }
                None => false,
            };
            if starts_word {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(allowed(c));
        }
        before = Some(c);
    }
    out
}

/// Returns a name with each character outside `[a-zA-Z0-9_]` replaced by an underscore.
pub fn sanitized(name: &str) -> String {
    name.chars().map(allowed).collect()
}

fn allowed(c: char) -> char {
    if c.is_ascii_alphanumeric() { c } else { '_' }
}

/// Returns the name of a label. Names that servers reserve (`__…`, and `le` or `quantile`, which have a meaning) are
/// renamed as Prometheus does it.
pub fn label_name(name: &str) -> String {
    let name = sanitized(name);
    let name = if name.starts_with("__") {
        format!("_{}", name.trim_start_matches('_'))
    } else {
        name
    };
    match &*name {
        "" | "_" => "label".to_owned(),
        "le" | "quantile" => format!("exported_{name}"),
        _ => not_a_digit_first(name),
    }
}

/// Returns a family's name from its parts, in snake case if `snake` is set; empty parts are left out.
pub fn family(parts: &[&str], snake: bool) -> String {
    let mut name = String::new();
    for part in parts {
        let part = if snake {
            snake_case(part)
        } else {
            sanitized(part)
        };
        let part = part.trim_end_matches('_');
        if part.is_empty() {
            continue;
        }
        if !name.is_empty() && !part.starts_with('_') {
            name.push('_');
        }
        name.push_str(part);
    }
    if name.is_empty() {
        return "unnamed".to_owned();
    }
    not_a_digit_first(name)
}

fn not_a_digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// Returns whether a unit may end a family's name: `[a-z][a-z0-9_]*`.
pub fn is_suffix(unit: &str) -> bool {
    unit.starts_with(|c: char| c.is_ascii_lowercase())
        && unit
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// How a server wants names escaped that it might not accept as they are. Our names never need escaping, but `dots`
/// changes them all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Escaping {
    /// Any UTF-8 is accepted.
    AllowUtf8,
    /// Underscores for characters that are not allowed.
    #[default]
    Underscores,
    /// `_dot_` for a dot, and two underscores for one.
    Dots,
    /// `U__` before a name that contains an escaped character.
    Values,
}

impl Escaping {
    /// Returns the escaping of this name, as in `escaping=dots`.
    ///
    /// ```
    /// use mmstats::export::Escaping;
    ///
    /// assert_eq!(Escaping::of("dots"), Some(Escaping::Dots));
    /// assert_eq!(Escaping::of("stars"), None);
    /// ```
    pub fn of(name: &str) -> Option<Escaping> {
        [
            Escaping::AllowUtf8,
            Escaping::Underscores,
            Escaping::Dots,
            Escaping::Values,
        ]
        .into_iter()
        .find(|escaping| escaping.name() == name)
    }

    /// Returns its name in content types.
    ///
    /// ```
    /// use mmstats::export::Escaping;
    ///
    /// assert_eq!(Escaping::AllowUtf8.name(), "allow-utf-8");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    /// Returns the name of a family or a label as it must be written.
    ///
    /// ```
    /// use mmstats::export::Escaping;
    ///
    /// assert_eq!(Escaping::Dots.escape("my_app"), "my__app");
    /// assert_eq!(Escaping::Underscores.escape("my_app"), "my_app");
    /// ```
    pub fn escape(self, name: &str) -> std::borrow::Cow<'_, str> {
        match self {
            Escaping::Dots => name.replace('_', "__").into(),
            _ => name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case() {
        for (name, snake) in [
            ("FooBar", "foo_bar"),
            ("my-app", "my_app"),
            ("timers.response", "timers_response"),
            ("HTTPServer", "http_server"),
            ("requestsV2", "requests_v2"),
            ("größe", "gr__e"),
            ("a__b", "a__b"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name), snake, "{name}");
        }
    }

    #[test]
    fn families_are_joined_of_what_is_there() {
        assert_eq!(
            family(&["my-app", "web.", "requests"], true),
            "my_app_web_requests"
        );
        assert_eq!(family(&["", "", "httpRequests"], false), "httpRequests");
        assert_eq!(family(&["7zip", "", "files"], true), "_7zip_files");
        assert_eq!(family(&["", "", ""], true), "unnamed");
        assert_eq!(family(&["a", "", "_b"], true), "a_b");
    }

    #[test]
    fn reserved_label_names_are_renamed() {
        for (name, label) in [
            ("handler", "handler"),
            ("le", "exported_le"),
            ("__name__", "_name__"),
            ("http.status", "http_status"),
            ("9", "_9"),
            ("", "label"),
        ] {
            assert_eq!(label_name(name), label, "{name}");
        }
    }

    #[test]
    fn only_dots_changes_our_names() {
        assert_eq!(Escaping::Dots.escape("my_app"), "my__app");
        for escaping in ["allow-utf-8", "underscores", "values"] {
            assert_eq!(Escaping::of(escaping).unwrap().escape("my_app"), "my_app");
        }
        assert_eq!(Escaping::of("other"), None);
    }
}
