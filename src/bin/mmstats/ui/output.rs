//! Output to the terminal. It contains nothing that could control the terminal, and a closed pipe is not an error.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use mmstats::reader::printable;

use crate::ui::waiting;

/// The outcome of a command: how it ended, or what went wrong, in words for the user.
pub type Outcome = Result<Exit, Box<dyn Error>>;

/// How a command ended. (clap exits with 2 for wrong usage.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something was read, or everything was done: 0.
    Success,
    /// Nothing was read, or not everything was done: 1.
    Failure,
    /// A value exceeds the bound that the user gave: 3.
    Exceeded,
}

/// Returns the exit code of the process. It is not a failure if the reader of the output has gone away.
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

/// Returns stdout, for output that is written as a whole. The caller must flush it, since only then errors are seen.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Writes all bytes to stdout.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a message to stderr, with each line prefixed by this program's name.
pub fn complain(message: &str) {
    let mut stderr = io::stderr().lock();
    for line in message.lines() {
        // If stderr is closed, nobody can be told.
        let _ = writeln!(stderr, "mmstats: {}", printable(line));
    }
}

/// Sends warnings of the library (and more, with RUST_LOG) to stderr.
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

/// Returns whether the reader of the output, a pipe or a terminal, has gone away, which is not reported.
fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        error.kind() == io::ErrorKind::BrokenPipe || waiting::is_gone(Duration::ZERO)
    })
}

/// Returns the number of columns of the output: those of its terminal, or COLUMNS if it is set and the output is not
/// a terminal.
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

/// Returns whether the output may have colours: it is a terminal, and the user has not turned them off (NO_COLOR, see
/// no-color.org).
pub fn has_colours() -> bool {
    let off = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !off("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns a heading, bold if that can be shown.
pub fn bold(text: &str) -> Cow<'_, str> {
    if has_colours() {
        format!("\x1b[1m{text}\x1b[0m").into()
    } else {
        text.into()
    }
}

/// Returns a path that is safe to print.
pub fn path(path: &Path) -> String {
    printed(&path.to_string_lossy())
}

/// Returns a text that is safe to print.
pub fn printed(text: &str) -> String {
    printable(text).into_owned()
}

/// Returns JSON that is safe to print. It is equivalent: harmful characters can only be within strings, where `\u…`
/// means the same character. (The serializer escapes those below U+0020 itself.)
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

/// Writes a value as JSON that is safe to print, and a line end, while it is generated.
pub fn write_json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(Escaping(&mut *out), value)?;
    writeln!(out)
}

/// Escapes JSON that passes through. The serializer writes whole characters at a time.
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
