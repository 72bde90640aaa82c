//! What goes to the terminal: nothing that could do something to it other than be read, and nothing
//! that makes a closed pipe an error.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use mmstats::reader::printable;

use crate::ui::waiting;

/// What a command comes to: how it ended, or what went wrong in words for the user.
pub type Outcome = Result<Exit, Box<dyn Error>>;

/// How a command ended. (2, for wrong usage, is what clap ends with.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something was read, or all that was to be done was done: 0.
    Success,
    /// Nothing was, or not all: 1.
    Failure,
    /// A value is beyond the bound that the user gave: 3.
    Exceeded,
}

/// What the process ends with. A reader of the output that has gone away is no failure.
pub fn end(outcome: Outcome) -> ExitCode {
    let exit = match outcome {
        Ok(exit) => exit,
        Err(error) if is_closed_pipe(&*error) => Exit::Success,
        Err(error) => {
            complain(&error.to_string());
            Exit::Failure
        }
    };
    ExitCode::from(match exit {
        Exit::Success => 0,
        Exit::Failure => 1,
        Exit::Exceeded => 3,
    })
}

/// Stdout, for output that is written as a whole. It is flushed by who writes, for only then an error is seen.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Writes all of it to stdout.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a message to stderr, each line of it as this program's.
pub fn complain(message: &str) {
    let mut stderr = io::stderr().lock();
    for line in message.lines() {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(stderr, "mmstats: {}", printable(line));
    }
}

/// Warnings of the library (and more, with RUST_LOG) go to stderr.
pub fn log_to_stderr() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format(|out, record| {
            let message = record.args().to_string();
            let message = message.strip_prefix("mmstats: ").unwrap_or(&message);
            writeln!(
                out,
                "mmstats: {}: {}",
                record.level().as_str().to_lowercase(),
                printable(message)
            )
        })
        .init();
}

/// Whether the reader of our output has gone away, a pipe's or a terminal: no reason to complain.
fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        error.kind() == io::ErrorKind::BrokenPipe || waiting::is_gone(Duration::ZERO)
    })
}

/// How many columns the output has: those of its terminal; of what is no terminal, COLUMNS, where that is
/// set.
pub fn width() -> Option<usize> {
    if io::stdout().is_terminal()
        && let Ok((columns, _)) = ratatui::crossterm::terminal::size()
        && columns > 0
    {
        return Some(columns.into());
    }
    std::env::var("COLUMNS")
        .ok()?
        .parse()
        .ok()
        .filter(|&columns| columns > 0)
}

/// Whether what is printed may have colours: a person looks at it who does not say otherwise (NO_COLOR,
/// see no-color.org).
pub fn has_colours() -> bool {
    let off = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !off("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A heading, bold where that can be shown.
pub fn bold(text: &str) -> Cow<'_, str> {
    if has_colours() {
        format!("\x1b[1m{text}\x1b[0m").into()
    } else {
        text.into()
    }
}

/// A path as it may be printed.
pub fn path(path: &Path) -> String {
    printed(&path.to_string_lossy())
}

/// A text as it may be printed.
pub fn printed(text: &str) -> String {
    printable(text).into_owned()
}

/// JSON as it may be printed. The same JSON: what is harmful can only be within its strings, where
/// `\u…` means the same character. (The serializer escapes those below U+0020 itself.)
pub fn json(text: &str) -> Cow<'_, str> {
    let is_harmful =
        |c: char| c != '\n' && matches!(printable(c.encode_utf8(&mut [0; 4])), Cow::Owned(_));
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Writes a value as JSON that may be printed, and an end of the line, while it is made.
pub fn write_json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(Escaping(&mut *out), value)?;
    writeln!(out)
}

/// Escapes JSON on its way. The serializer writes whole characters at a time.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.0.write_all(json(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({"a\u{9b}\u{202e}\u{7f}": ["\x1b[31m", "é 漢 😀", "\n"]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let escaped = json(&text);
        let mut written = Vec::new();
        write_json(&mut written, &value).unwrap();
        assert_eq!(written, format!("{escaped}\n").as_bytes());
        assert!(
            !escaped.contains(['\u{9b}', '\u{202e}', '\u{7f}', '\x1b']),
            "{escaped}"
        );
        assert!(escaped.contains("é 漢 😀"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }
}
