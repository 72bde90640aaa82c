//! The texts of an entry of an error log, which identify the error.

use std::error::Error;
use std::fmt::{self, Write};
use std::panic::Location;

use crate::format::bytes::{cut, words};
use crate::metric::errors::entry::{FIXED, MessageWidth, NOTE, TOTAL, TotalWidth};
use crate::sys::memory::words::Width;

/// The most bytes kept of a name, of a site and of a message. The rest of a message's extent, at least 128
/// bytes, is for the causes.
const NAME_MOST: usize = 128;
const SITE_MOST: usize = 168;
const MESSAGE_MOST: usize = 512;
/// The most bytes of all texts of a message.
const TEXTS_MOST: usize = 8 * (MessageWidth::WORDS - FIXED);
/// The most causes that are looked at: a chain may be circular.
const SOURCES: usize = 16;

const _: () = assert!(NAME_MOST + SITE_MOST <= 8 * (TotalWidth::WORDS - FIXED));
const _: () = assert!(NAME_MOST + SITE_MOST + MESSAGE_MOST + 128 <= TEXTS_MOST);

/// The texts that identify an error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::metric) struct ErrorText {
    pub(in crate::metric) name: String,
    pub(in crate::metric) is_note: bool,
    pub(in crate::metric) message: String,
    pub(in crate::metric) site: String,
    /// One per line.
    pub(in crate::metric) sources: String,
}

impl ErrorText {
    /// Decodes the words of an entry after those that change. Nothing in them is trusted.
    pub(in crate::metric) fn from_words(words: &[u64]) -> Option<ErrorText> {
        let (&[lengths, flags], words) = words.split_first_chunk()?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut text = |number: u32| {
            let len = (lengths >> (16 * number)) as u16 as usize;
            let (text, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            String::from_utf8_lossy(text).into_owned()
        };
        let (name, site, message, sources) = (text(0), text(1), text(2), text(3));
        Some(ErrorText {
            name,
            is_note: flags & NOTE != 0,
            message,
            site,
            sources,
        })
    }

    /// Returns the words, after those that change, of a total with this name and no site.
    pub(in crate::metric) fn total_words(&self) -> Vec<u64> {
        let mut texts = Texts::new(TOTAL | u64::from(self.is_note));
        texts.add(NAME_MOST, |to| to.write_str(&self.name));
        texts.words().collect()
    }
}

/// The name of an error or of a note.
#[derive(Clone, Copy)]
pub(in crate::metric) struct Name<'a> {
    /// The modules before the type, with the last `::`; usually empty.
    pub(in crate::metric) path: &'a str,
    pub(in crate::metric) text: &'a str,
    pub(in crate::metric) is_note: bool,
}

/// A place in the source.
#[derive(Clone, Copy)]
pub(in crate::metric) struct Site<'a> {
    pub(in crate::metric) file: &'a str,
    pub(in crate::metric) line: u32,
    /// 0 if not known.
    pub(in crate::metric) column: u32,
}

impl<'a> From<&'a Location<'_>> for Site<'a> {
    fn from(location: &'a Location<'_>) -> Site<'a> {
        Site {
            file: location.file(),
            line: location.line(),
            column: location.column(),
        }
    }
}

/// The texts of an entry that is being made. They are on the stack, because a storm of new messages must not
/// allocate.
pub(in crate::metric) struct Texts {
    bytes: [u8; TEXTS_MOST],
    len: usize,
    /// Number of texts.
    number: u32,
    lengths: u64,
    flags: u64,
}

impl Texts {
    fn new(flags: u64) -> Texts {
        Texts {
            bytes: [0; TEXTS_MOST],
            len: 0,
            number: 0,
            lengths: 0,
            flags,
        }
    }

    /// Makes the texts of the total of a name and a place.
    pub(in crate::metric) fn of_total(name: Name<'_>, site: Option<Site<'_>>) -> Texts {
        let mut texts = Texts::new(TOTAL | u64::from(name.is_note));
        texts.add_name_and_site(name, site);
        texts
    }

    /// Makes the texts of a message, cut to what is kept.
    pub(in crate::metric) fn of_message(
        name: Name<'_>,
        site: Option<Site<'_>>,
        message: &dyn fmt::Display,
        mut source: Option<&(dyn Error + 'static)>,
    ) -> Texts {
        let mut texts = Texts::new(name.is_note.into());
        texts.add_name_and_site(name, site);
        // If formatting the message fails, what was written before is kept.
        texts.add(MESSAGE_MOST, |to| write!(to, "{message}"));
        texts.add(TEXTS_MOST, |to| {
            for number in 0..SOURCES {
                let Some(cause) = source else { break };
                if number > 0 {
                    to.write_str("\n")?;
                }
                write!(OneLine(to), "{cause}")?;
                source = cause.source();
            }
            Ok(())
        });
        texts
    }

    fn add_name_and_site(&mut self, name: Name<'_>, site: Option<Site<'_>>) {
        self.add(NAME_MOST, |to| {
            to.write_str(name.path)?;
            to.write_str(name.text)
        });
        let Some(site) = site else {
            return self.add(0, |_| Ok(()));
        };
        // The end of a long path says more. Two numbers of 32 bits and their colons take 22 bytes.
        let Site { file, line, column } = site;
        let mut start = file.len().saturating_sub(SITE_MOST - 22);
        while !file.is_char_boundary(start) {
            start += 1;
        }
        let file = &file[start..];
        self.add(SITE_MOST, |to| match column {
            0 => write!(to, "{file}:{line}"),
            _ => write!(to, "{file}:{line}:{column}"),
        });
    }

    /// Adds the next text, of at most `most` bytes.
    fn add(&mut self, most: usize, text: impl FnOnce(&mut TruncatedText<'_>) -> fmt::Result) {
        let most = most.min(TEXTS_MOST - self.len);
        let mut to = TruncatedText {
            bytes: &mut self.bytes[self.len..][..most],
            len: 0,
            full: false,
        };
        let _ = text(&mut to);
        let len = to.len;
        self.len += len;
        self.lengths |= (len as u64) << (16 * self.number);
        self.number += 1;
    }

    /// Returns the words of the entry after those that change.
    pub(in crate::metric) fn words(&self) -> impl Iterator<Item = u64> + Clone {
        [self.lengths, self.flags]
            .into_iter()
            .chain(words(&self.bytes[..self.len]))
    }
}

/// A text that is cut, at a character boundary, where its space ends.
struct TruncatedText<'a> {
    bytes: &'a mut [u8],
    len: usize,
    /// Whether something was left out. If so, nothing follows.
    full: bool,
}

impl Write for TruncatedText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            return Err(fmt::Error);
        }
        let kept = cut(text, self.bytes.len() - self.len);
        self.bytes[self.len..][..kept.len()].copy_from_slice(kept.as_bytes());
        self.len += kept.len();
        self.full = kept.len() < text.len();
        // An error ends the formatting: nothing more of it would be kept.
        if self.full { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Writes a text as one line: line feeds become spaces.
struct OneLine<'a, 'b>(&'a mut TruncatedText<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.0.write_str(" ")?;
            }
            self.0.write_str(line)?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::metric::errors::entry::CHANGING;

    #[test]
    fn texts_are_cut_at_a_character_and_the_causes_have_what_is_left() {
        #[derive(Debug)]
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Continues, whatever the formatter returns.
                for _ in 0..10_000 {
                    let _ = f.write_str("€");
                }
                // Smaller than the space left where the last € did not fit.
                let _ = f.write_str("a");
                Ok(())
            }
        }
        impl Error for Endless {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        let name = Name {
            path: "",
            text: &"é".repeat(100),
            is_note: false,
        };
        let site = Some(Location::caller().into());
        let texts = Texts::of_message(name, site, &Endless, Endless.source());
        let words: Vec<u64> = texts.words().collect();
        assert!(words.len() <= MessageWidth::WORDS - CHANGING);
        let text = ErrorText::from_words(&words).unwrap();
        assert_eq!(text.name, "é".repeat(64));
        assert!(text.site.contains("errors/text.rs:"), "{}", text.site);
        assert_eq!(text.message, "€".repeat(MESSAGE_MOST / 3));
        assert!(text.sources.len() >= 128 && text.sources.chars().all(|c| c == '€'));
    }
}
