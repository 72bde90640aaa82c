//! The name of an error's type.

use std::any::type_name;
use std::error::Error;
use std::fmt::{self, Write};

/// Names that many crates use. Alone they do not identify a type.
const AMBIGUOUS: [&str; 5] = ["Error", "ErrorKind", "Err", "Kind", "Failure"];
/// The most causes that are looked at: a chain may be circular.
const SOURCES: usize = 16;

/// Returns the type's name as the compiler gives it, without references, or `None` for a `dyn`, boxed or not.
pub(in crate::metric) fn static_type<E: ?Sized>() -> Option<&'static str> {
    let mut name = type_name::<E>();
    loop {
        name = match name.strip_prefix('&').or(name.strip_prefix("mut ")) {
            Some(rest) => rest,
            None => break,
        };
    }
    let inner = name.strip_prefix("alloc::boxed::Box<").unwrap_or(name);
    (!inner.starts_with("dyn ")).then_some(name)
}

/// Splits the full name of a type into the path and name to show. The rule is in the docs of
/// [`Errors`](super::Errors). The path ends with `::` or is empty.
pub(in crate::metric) fn split(name: &str) -> (&str, &str) {
    let path = name.split('<').next().unwrap_or(name);
    let colon = path.bytes().rposition(|byte| byte == b':');
    let (path, last) = path.split_at(colon.map_or(0, |colon| colon + 1));
    if !AMBIGUOUS.contains(&last) {
        return ("", last);
    }
    let path = (["std::", "core::", "alloc::"].iter())
        .find_map(|library| path.strip_prefix(library))
        .unwrap_or(path);
    // Usually a private module, whose type is exported one level above it.
    let above = (["error::", "errors::"].iter())
        .find_map(|module| path.strip_suffix(module))
        .filter(|above| above.ends_with("::"));
    (above.unwrap_or(path), last)
}

/// Returns path and name of a `dyn Error`, without a word of its message.
pub(in crate::metric) fn dyn_type<'a, E: Error + ?Sized>(
    error: &E,
    leading: &'a mut LeadingIdentifier,
) -> (&'a str, &'a str) {
    let mut of_message = LeadingIdentifier::default();
    of_message.read(format_args!("{error}"));
    leading.read(format_args!("{error:?}"));
    // `anyhow` and others write the message where a derived `Debug` writes the type.
    let is_known = leading.len > 0
        && leading.text() != of_message.text()
        && !AMBIGUOUS.contains(&leading.text());
    if is_known {
        return ("", leading.text());
    }
    known_source(error.source()).unwrap_or(("", "dyn"))
}

/// Returns path and name of the nearest cause whose type is well known.
fn known_source(
    mut source: Option<&(dyn Error + 'static)>,
) -> Option<(&'static str, &'static str)> {
    for _ in 0..SOURCES {
        let cause = source?;
        let known = known(cause);
        if known.is_some() {
            return known;
        }
        source = cause.source();
    }
    None
}

/// Returns path and name of an error whose type is well known.
pub(in crate::metric) fn known(
    error: &(dyn Error + 'static),
) -> Option<(&'static str, &'static str)> {
    macro_rules! known {
        ($($known:ty),* $(,)?) => {
            $(if error.is::<$known>() {
                return static_type::<$known>().map(split);
            })*
        };
    }
    known!(
        std::io::Error,
        fmt::Error,
        std::num::ParseIntError,
        std::num::ParseFloatError,
        std::num::TryFromIntError,
        std::str::Utf8Error,
        std::str::ParseBoolError,
        std::string::FromUtf8Error,
        std::char::ParseCharError,
        std::net::AddrParseError,
        std::env::VarError,
        std::time::SystemTimeError,
        std::sync::mpsc::RecvError,
        std::sync::mpsc::RecvTimeoutError,
    );
    None
}

/// The identifier at the beginning of a text.
#[derive(Default)]
pub(in crate::metric) struct LeadingIdentifier {
    bytes: [u8; 32],
    len: usize,
}

impl LeadingIdentifier {
    fn read(&mut self, text: fmt::Arguments<'_>) {
        // `write_str` fails at the end of the identifier, which ends the formatting.
        let _ = self.write_fmt(text);
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for LeadingIdentifier {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let belongs = byte == b'_'
                || byte.is_ascii_alphabetic()
                || (self.len > 0 && byte.is_ascii_digit());
            if !belongs || self.len == self.bytes.len() {
                return Err(fmt::Error);
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_type_keeps_its_path() {
        for (path, wanted) in [
            ("core::num::error::ParseIntError", "ParseIntError"),
            ("std::io::error::Error", "io::Error"),
            ("core::fmt::Error", "fmt::Error"),
            ("serde_json::error::Error", "serde_json::Error"),
            ("toml::de::errors::Error", "toml::de::Error"),
            ("app::db::ErrorKind", "app::db::ErrorKind"),
            ("error::Error", "error::Error"),
            ("app::Error<alloc::string::String>", "app::Error"),
            ("Error", "Error"),
        ] {
            let (path, last) = split(path);
            assert_eq!([path, last].concat(), wanted);
        }
        assert_eq!(static_type::<&mut &fmt::Error>(), Some("core::fmt::Error"));
        assert_eq!(static_type::<Box<dyn Error + Send>>(), None);
    }
}
