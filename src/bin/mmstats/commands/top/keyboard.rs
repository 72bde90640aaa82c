//! Parses what a terminal sends into keys.
//!
//! crossterm has such a reader, but it spins when the terminal is gone and blocks on half a sequence.

use std::io::{self, Read};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longer than any sequence of a key.
const SEQUENCE_MOST: usize = 32;

/// The keyboard: stdin of a terminal in raw mode.
#[derive(Default)]
pub struct Keyboard {
    /// The beginning of a sequence or character whose rest has not arrived yet.
    begun: Vec<u8>,
}

impl Keyboard {
    /// Reads what is available, after a wait has reported input. `None` if the terminal is gone.
    pub fn read(&mut self) -> io::Result<Option<Vec<KeyEvent>>> {
        let mut bytes = [0; 1024];
        match io::stdin().lock().read(&mut bytes) {
            Ok(0) => Ok(None),
            Ok(len) => Ok(Some(self.keys(&bytes[..len]))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(Vec::new())),
            // EIO: the other end of the terminal is closed.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the keys of some received bytes.
    fn keys(&mut self, bytes: &[u8]) -> Vec<KeyEvent> {
        self.begun.extend_from_slice(bytes);
        let mut rest = &self.begun[..];
        let mut keys = Vec::new();
        while let Some((len, key)) = first(rest) {
            keys.extend(key);
            rest = &rest[len..];
        }
        let begun = rest.to_vec();
        self.begun = if begun.len() > SEQUENCE_MOST {
            Vec::new()
        } else {
            begun
        };
        keys
    }
}

/// Returns the length of the first key or sequence, and the key if it is used here. `None` if more bytes are needed.
fn first(bytes: &[u8]) -> Option<(usize, Option<KeyEvent>)> {
    let key = |code| Some(KeyEvent::new(code, KeyModifiers::NONE));
    match *bytes {
        [] => None,
        [0x1b, b'[' | b'O', ref rest @ ..] => {
            let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            Some((end + 3, sequence(&rest[..end], rest[end]).and_then(key)))
        }
        [0x1b, ..] => Some((1, key(KeyCode::Esc))),
        [b'\r' | b'\n', ..] => Some((1, key(KeyCode::Enter))),
        [b'\t', ..] => Some((1, key(KeyCode::Tab))),
        [0x7f | 0x08, ..] => Some((1, key(KeyCode::Backspace))),
        [byte @ 0x01..=0x1a, ..] => {
            let code = KeyCode::Char((byte - 1 + b'a').into());
            Some((1, Some(KeyEvent::new(code, KeyModifiers::CONTROL))))
        }
        [0x00..=0x1f, ..] => Some((1, None)),
        [byte, ..] => {
            let len = match byte {
                0x20..=0x7e => 1,
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Some((1, None)),
            };
            match std::str::from_utf8(bytes.get(..len)?) {
                Ok(text) => Some((len, text.chars().next().map(KeyCode::Char).and_then(key))),
                Err(_) => Some((1, None)),
            }
        }
    }
}

/// Returns the key of a control sequence: `ESC [ parameters last`.
fn sequence(parameters: &[u8], last: u8) -> Option<KeyCode> {
    Some(match (last, parameters) {
        (b'A', _) => KeyCode::Up,
        (b'B', _) => KeyCode::Down,
        (b'C', _) => KeyCode::Right,
        (b'D', _) => KeyCode::Left,
        (b'H', _) | (b'~', b"1" | b"7") => KeyCode::Home,
        (b'F', _) | (b'~', b"4" | b"8") => KeyCode::End,
        (b'~', b"5") => KeyCode::PageUp,
        (b'~', b"6") => KeyCode::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_however_their_bytes_are_cut() {
        let bytes = "aé\x1b[A\x1bOB\x1b[6~\x1b[200~\x1b[1;5C\t\r\x7f\x03\x1b/".as_bytes();
        let expected = [
            KeyCode::Char('a'),
            KeyCode::Char('é'),
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::PageDown,
            KeyCode::Right,
            KeyCode::Tab,
            KeyCode::Enter,
            KeyCode::Backspace,
            KeyCode::Char('c'),
            KeyCode::Esc,
            KeyCode::Char('/'),
        ];
        let codes = |keys: Vec<KeyEvent>| keys.into_iter().map(|key| key.code).collect::<Vec<_>>();
        assert_eq!(codes(Keyboard::default().keys(bytes)), expected);
        // In two pieces, cut anywhere but just after an escape, which alone is the key Esc.
        for cut in (0..bytes.len()).filter(|&cut| cut == 0 || bytes[cut - 1] != 0x1b) {
            let mut keyboard = Keyboard::default();
            let mut keys = keyboard.keys(&bytes[..cut]);
            keys.extend(keyboard.keys(&bytes[cut..]));
            assert_eq!(codes(keys), expected, "cut at {cut}");
        }
    }

    #[test]
    fn bytes_that_are_no_key_neither_stay_nor_stop_the_others() {
        let mut keyboard = Keyboard::default();
        assert_eq!(
            keyboard.keys(b"\xff\xfe\x00\x1c\xc3("),
            [KeyEvent::from(KeyCode::Char('('))]
        );
        assert!(
            keyboard
                .keys(&[b"\x1b[".to_vec(), vec![b'1'; 100]].concat())
                .is_empty()
        );
        assert_eq!(keyboard.keys(b"q"), [KeyEvent::from(KeyCode::Char('q'))]);
    }
}
