//! Format 1: the files of python-mmstats, for reading only.
//!
//! ```text
//! byte 1, then fields, packed and unaligned, little-endian, until a label's length of 0 or the end:
//!
//!   u16  length of the label     label, UTF-8
//!   u16  length of the type      type, as of Python's struct: one of QqIiHhBbfd?, or <n>s
//!   u8   255: one value follows; 0 or 1: two follow, and the one that is NOT named here counts
//!   the value or values
//! ```
//!
//! A text is padded with NULs. Nothing in such a file shows whether a value was being written.

use super::bytes::{Bytes, Malformed};
use super::scalar::Scalar;

/// The first byte of a file.
pub const VERSION: u8 = 1;
/// The write buffer of a field that has only one value.
const UNBUFFERED: u8 = 255;
/// The longest text, in bytes: the most that fits into the words of a buffer, whose number has 16 bits in a
/// schema. One word is for the length.
const TEXT_MOST: usize = 8 * (u16::MAX as usize - 1);

/// One field of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its name.
    pub label: String,
    /// The type of its value.
    pub scalar: Scalar,
    /// The bytes of the value to read; for a text including the NULs.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// The value of a number or a flag as a word for [`Scalar::number`].
    pub fn word(&self) -> u64 {
        let mut word = [0; 8];
        let len = self.value.len().min(8);
        word[..len].copy_from_slice(&self.value[..len]);
        u64::from_le_bytes(word)
    }

    /// The bytes of a text, up to the first NUL.
    pub fn text(&self) -> &[u8] {
        let end = self.value.iter().position(|&byte| byte == 0);
        &self.value[..end.unwrap_or(self.value.len())]
    }
}

/// The fields of a file with these bytes.
///
/// # Errors
/// If a field is incomplete or invalid, because the start of the next one is then not known.
pub fn fields(file: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    let mut bytes = Bytes::new(file, 0);
    let version = bytes.u8("the version")?;
    if version != VERSION {
        return Err(Bytes::new(file, 0).error(format!("version {version}, expected 1")));
    }
    let mut fields = Vec::new();
    while bytes.left() >= 2 {
        let len = bytes.u16("the label's length")?;
        if len == 0 {
            break;
        }
        fields.push(field(&mut bytes, len.into())?);
    }
    Ok(fields)
}

fn field<'a>(bytes: &mut Bytes<'a>, label: usize) -> Result<Field<'a>, Malformed> {
    let label = bytes.text(label, "the label")?;
    let len = bytes.u16("the type's length")?;
    if len == 0 {
        return Err(bytes.error(format!(
            "half-built: the field {label:?} has no type yet: its process is just starting, or ended \
             while it did"
        )));
    }
    let at = bytes.clone();
    let code = bytes.take(len.into(), "the type")?;
    let Some((scalar, size)) = scalar(code) else {
        let code = String::from_utf8_lossy(code);
        return Err(at.error(format!("the field {label:?} has the unknown type {code:?}")));
    };
    let at = bytes.clone();
    let value = match bytes.u8("the write buffer")? {
        UNBUFFERED => bytes.take(size, "the value")?,
        buffer @ 0..=1 => {
            let buffers = bytes.take(2 * size, "the two values")?;
            if buffer == 0 {
                &buffers[size..]
            } else {
                &buffers[..size]
            }
        }
        other => return Err(at.error(format!("the field {label:?} has a write buffer {other}"))),
    };
    Ok(Field {
        label,
        scalar,
        value,
    })
}

/// The type of a code of Python's struct, and its size in bytes.
fn scalar(code: &[u8]) -> Option<(Scalar, usize)> {
    let scalar = match code {
        b"Q" => Scalar::U64,
        b"q" => Scalar::I64,
        b"I" => Scalar::U32,
        b"i" => Scalar::I32,
        b"H" => Scalar::U16,
        b"h" => Scalar::I16,
        b"B" => Scalar::U8,
        b"b" => Scalar::I8,
        b"f" => Scalar::F32,
        b"d" => Scalar::F64,
        b"?" => Scalar::Bool,
        _ => {
            let digits = std::str::from_utf8(code.strip_suffix(b"s")?).ok()?;
            let len = if digits.is_empty() {
                1
            } else {
                digits.parse().ok().filter(|len| *len <= TEXT_MOST)?
            };
            return Some((Scalar::Text, len));
        }
    };
    Some((scalar, scalar.size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(label: &str, code: &str, buffer: u8, values: &[u8]) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        [text(label), text(code), vec![buffer], values.to_owned()].concat()
    }

    #[test]
    fn the_buffer_that_is_not_named_counts() {
        let both = [[7u16.to_le_bytes(), 9u16.to_le_bytes()].concat()].concat();
        let file = [
            vec![1],
            encode("first", "H", 1, &both),
            encode("second", "H", 0, &both),
            encode("only", "H", 255, &both[..2]),
            encode("é", "5s", 255, b"ab\0cd"),
            vec![0, 0, 200, 200],
        ];
        let file = file.concat();
        let fields = fields(&file).unwrap();
        let words: Vec<_> = fields[..3].iter().map(Field::word).collect();
        assert_eq!(words, [7, 9, 7]);
        assert_eq!((&*fields[3].label, fields[3].text()), ("é", &b"ab"[..]));
        assert_eq!(fields.len(), 4);
    }

    #[test]
    fn every_cut_is_an_end_or_an_error_and_never_a_panic() {
        let file = include_bytes!("../../tests/golden/v1/all-initial.mmstats");
        let whole = fields(file).unwrap();
        let (mut ends, mut errors) = (0, 0);
        for len in 0..file.len() {
            match fields(&file[..len]) {
                Ok(some) => {
                    ends += 1;
                    assert_eq!(some, whole[..some.len()]);
                }
                Err(_) => errors += 1,
            }
        }
        assert!(ends >= whole.len() && errors > 1000, "{ends} {errors}");
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for (code, buffer) in [("", 255), ("x", 255), ("-1s", 255), ("99999999s", 255)] {
            let file = [vec![1], encode("a", code, buffer, &[0; 16])].concat();
            assert!(fields(&file).is_err(), "{code}");
        }
        let file = [vec![1], encode("a", "Q", 2, &[0; 16])].concat();
        assert!(fields(&file).is_err());
        assert!(fields(&[3]).is_err() && fields(&[]).is_err());
        assert_eq!(fields(&[1]), Ok(vec![]));
    }
}
