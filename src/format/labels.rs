//! Labels of an instance: pairs of a key and a value, and their text for people.
//!
//! In a record they are a table of lengths, followed by the texts:
//!
//! ```text
//!   0  u16  length of a key, u16 length of its value; as often as there are pairs
//!   .  each key and its value
//! ```
//!
//! The keys ascend by their bytes, and none is empty. So two instances with the same labels have the same
//! bytes.

use std::fmt::Write;

use super::bytes::{Bytes, Malformed, TEXT_MOST, cut};

/// Labels of one instance, by key.
pub type Labels = Vec<(String, String)>;

/// The most labels that one instance may have. Prometheus and OpenTelemetry allow 30 and 128 for a series.
/// The bound limits how much is read before a check.
pub const LABELS_MOST: usize = 64;

/// The key under which exporters show a group's name, unless its labels state another.
const GROUP: &str = "group";

/// The key under which exporters show the name of a group with these labels. A group with a name has at most
/// one pair.
pub fn key_of_name(labels: &[(String, String)]) -> &str {
    match labels {
        [(key, _)] => key,
        _ => GROUP,
    }
}

/// Bytes of the table entry of a pair.
pub const PAIR: usize = 4;

/// Appends the table and the texts. The pairs must be sorted by key, and there must be at most
/// [`LABELS_MOST`].
pub fn encode(labels: &[(String, String)], out: &mut Vec<u8>) {
    debug_assert!(labels.len() <= LABELS_MOST && labels.is_sorted_by(|(a, _), (b, _)| a < b));
    for (key, value) in labels {
        out.extend((cut(key, TEXT_MOST).len() as u16).to_le_bytes());
        out.extend((cut(value, TEXT_MOST).len() as u16).to_le_bytes());
    }
    for (key, value) in labels {
        out.extend(cut(key, TEXT_MOST).as_bytes());
        out.extend(cut(value, TEXT_MOST).as_bytes());
    }
}

/// Bytes of the table and the texts of these labels.
pub fn encoded_len(labels: &[(String, String)]) -> usize {
    let texts = |(key, value): &(String, String)| {
        PAIR + cut(key, TEXT_MOST).len() + cut(value, TEXT_MOST).len()
    };
    labels.iter().map(texts).sum()
}

/// Bytes of all texts whose lengths are in a table.
pub fn texts_len(table: &[u8]) -> usize {
    let lengths = table.as_chunks().0.iter();
    lengths
        .map(|length| usize::from(u16::from_le_bytes(*length)))
        .sum()
}

/// Decodes `count` pairs.
pub fn decode(body: &mut Bytes<'_>, count: u32) -> Result<Labels, Malformed> {
    let count = check_count(count).map_err(|what| body.error(what))?;
    let mut table = body.part(PAIR * count, "the table of labels")?;
    let mut labels = Labels::with_capacity(count);
    for _ in 0..count {
        let key = table.u16("the length of a label's key")?;
        let value = table.u16("the length of a label's value")?;
        let key = body.text(key.into(), "a label's key")?;
        let value = body.text(value.into(), "a label's value")?;
        if labels.last().map_or("", |(last, _)| last) >= key.as_str() {
            return Err(body.error(format!(
                "the label key {key:?} is not greater than the previous one"
            )));
        }
        labels.push((key, value));
    }
    Ok(labels)
}

/// Returns the number of labels, or an error if an instance may not have so many.
pub fn check_count(count: u32) -> Result<usize, String> {
    match usize::try_from(count) {
        Ok(count) if count <= LABELS_MOST => Ok(count),
        _ => Err(format!(
            "{count} labels, but at most {LABELS_MOST} are allowed"
        )),
    }
}

/// Appends `{key="value",…}`, with the values escaped as in the Prometheus text format; nothing for no labels.
pub fn write_text<K: AsRef<str>, V: AsRef<str>>(labels: &[(K, V)], out: &mut String) {
    if labels.is_empty() {
        return;
    }
    let mut before = '{';
    for (key, value) in labels {
        out.push(before);
        before = ',';
        let _ = write!(out, "{}=\"", key.as_ref());
        for char in value.as_ref().chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                char => out.push(char),
            }
        }
        out.push('"');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        pairs.iter().map(owned).collect()
    }

    fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in pairs {
            out.extend((key.len() as u16).to_le_bytes());
            out.extend((value.len() as u16).to_le_bytes());
        }
        pairs
            .iter()
            .for_each(|(key, value)| out.extend([key.as_bytes(), value.as_bytes()].concat()));
        out
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let pairs = [("handler", "index"), ("method", ""), ("status", "200")];
        let mut out = Vec::new();
        encode(&labels(&pairs), &mut out);
        assert_eq!(out, encoded(&pairs));
        assert_eq!(out.len(), encoded_len(&labels(&pairs)));
        assert_eq!(out.len(), 3 * PAIR + texts_len(&out[..3 * PAIR]));
        assert_eq!(decode(&mut Bytes::new(&out, 0), 3).unwrap(), labels(&pairs));
    }

    #[test]
    fn keys_that_are_empty_twice_or_out_of_order_are_refused() {
        for pairs in [
            [("", "a"), ("b", "")],
            [("a", "1"), ("a", "2")],
            [("b", ""), ("a", "")],
        ] {
            let bytes = encoded(&pairs);
            assert!(decode(&mut Bytes::new(&bytes, 0), 2).is_err(), "{pairs:?}");
        }
        let bytes = encoded(&[("a", "1")]);
        assert!(decode(&mut Bytes::new(&bytes, 0), 2).is_err());
        assert!(decode(&mut Bytes::new(&bytes, 0), u32::MAX).is_err());
    }

    #[test]
    fn values_are_escaped_in_the_text() {
        let mut text = "response_ok".to_owned();
        write_text(&[("a", "x\"y\\z\n"), ("b", "")], &mut text);
        assert_eq!(text, r#"response_ok{a="x\"y\\z\n",b=""}"#);
        write_text::<&str, &str>(&[], &mut text);
        assert_eq!(text.len(), 31);
    }
}
