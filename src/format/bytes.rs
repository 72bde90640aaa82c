//! Writing and reading of little-endian bytes, with bounds checks.

use std::fmt;

/// What is wrong with the bytes of a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What was found there, and what was expected.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.what)
    }
}

/// Reads little-endian values from a part of a file. Never reads outside it.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the file; for messages only.
    base: u64,
}

impl<'a> Bytes<'a> {
    /// A reader of `bytes`, which begin at offset `base` of the file.
    pub fn new(bytes: &'a [u8], base: u64) -> Bytes<'a> {
        Bytes { bytes, at: 0, base }
    }

    /// An error at the current position.
    pub fn error(&self, what: impl Into<String>) -> Malformed {
        Malformed {
            offset: self.base + self.at as u64,
            what: what.into(),
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes; `what` names them in the error.
    pub fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], Malformed> {
        if len > self.left() {
            return Err(self.error(format!(
                "{what} has {len} bytes, but only {} are left",
                self.left()
            )));
        }
        let part = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(part)
    }

    /// A reader of the next `len` bytes.
    pub fn part(&mut self, len: usize, what: &str) -> Result<Bytes<'a>, Malformed> {
        let base = self.base + self.at as u64;
        Ok(Bytes::new(self.take(len, what)?, base))
    }

    /// The next `len` bytes as text; invalid UTF-8 is replaced by U+FFFD.
    pub fn text(&mut self, len: usize, what: &str) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.take(len, what)?).into_owned())
    }

    /// Advances to a multiple of `to` bytes from where this reader began.
    pub fn align(&mut self, to: usize, what: &str) -> Result<(), Malformed> {
        let gap = super::round_up(self.at, to) - self.at;
        self.take(gap, what).map(drop)
    }
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        impl Bytes<'_> {
            $(
                #[doc = concat!("The next ", stringify!($type), "; `what` names it in the error.")]
                pub fn $name(&mut self, what: &str) -> Result<$type, Malformed> {
                    let bytes = self.take(size_of::<$type>(), what)?;
                    Ok(<$type>::from_le_bytes(bytes.try_into().expect("as long as asked")))
                }
            )*
        }
    };
}
integers!(u8: u8, u16: u16, u32: u32, u64: u64);

/// The longest label, unit, help or name that is stored, in bytes.
pub const TEXT_MOST: usize = 4096;

/// Cuts `text` to at most `most` bytes, at a character boundary.
#[inline]
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Fills `out` with zeros up to a multiple of `to`.
pub fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(super::round_up(out.len(), to), 0);
}

/// The words of some bytes; the last one is padded with zeros.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + Clone {
    let (whole, last) = eights(bytes);
    let whole = whole.iter().map(|chunk| u64::from_le_bytes(*chunk));
    whole.chain(last)
}

/// The bytes in chunks of eight, and the word of the remaining ones.
#[inline]
pub fn eights(bytes: &[u8]) -> (&[[u8; 8]], Option<u64>) {
    let (whole, rest) = bytes.as_chunks::<8>();
    let last = (!rest.is_empty()).then(|| match bytes.last_chunk::<8>() {
        // One load instead of a call to memcpy: the bytes before the rest are shifted out.
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => (rest.iter().rev()).fold(0, |word, byte| word << 8 | u64::from(*byte)),
    });
    (whole, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_bytes_have_zeros_at_their_end() {
        for len in 0..=25usize {
            let bytes: Vec<u8> = (1..=len as u8).collect();
            let mut padded = bytes.clone();
            pad(&mut padded, 8);
            let found: Vec<u8> = words(&bytes).flat_map(u64::to_le_bytes).collect();
            assert_eq!(found, padded);
        }
    }
}
