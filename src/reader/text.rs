//! Texts that came from a file or a directory: what may be printed, and which labels are meant.

use std::borrow::Cow;

/// The text with everything escaped that could do something to a terminal or a page other than be
/// read: control characters, line and paragraph separators, what turns the direction of writing, and
/// what is not seen, by which one label could look like another.
///
/// For whoever prints to a terminal or a page: a [`Snapshot`](super::Snapshot) has the texts as they are in the
/// files (invalid UTF-8 is U+FFFD), so that they can be compared and written as JSON. Only
/// [`Problem::error`](super::Problem::error) is escaped already, since it is a sentence for people.
///
/// ```
/// use mmstats::reader::printable;
///
/// assert_eq!(printable("a\u{1b}[2J"), "a\\u{1b}[2J");
/// assert_eq!(printable("β"), "β");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' // turns the direction
            | '\u{200b}'..='\u{200f}' // of no width, joiners, direction
            | '\u{2028}'..='\u{202e}' // separators, direction
            | '\u{2060}'..='\u{2064}' // not seen
            | '\u{2066}'..='\u{2069}' // direction
            | '\u{feff}' // not seen
        )
}

/// Whether `text` matches `pattern`, in which `*` is any number of characters and `?` is one. There
/// is no way to mean a `*` itself.
///
/// Takes time proportional to the product of the lengths at worst.
///
/// ```
/// use mmstats::reader::matches;
///
/// assert!(matches("index.*", "index.response_time"));
/// assert!(!matches("index.*", "login.response_time"));
/// ```
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: the last star takes one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((star, taken)) => {
                    *taken += 1;
                    (p, t) = (*star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        assert!(matches!(printable("index.é 漢"), Cow::Borrowed(_)));
        assert_eq!(
            printable("a\x1b[31mb\n\u{9b}\u{202e}"),
            "a\\u{1b}[31mb\\n\\u{9b}\\u{202e}"
        );
        for c in "\u{61c}\u{200b}\u{200d}\u{200f}\u{2060}\u{2064}\u{2069}\u{feff}".chars() {
            let number = format!("\\u{{{:x}}}", u32::from(c));
            assert_eq!(printable(&c.to_string()), number);
        }
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        for (pattern, text, want) in [
            ("index.*", "index.response_time", true),
            ("index.*", "index", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*.count", "a.b.count", true),
            ("*.count", "a.b.counts", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            (
                "*a*a*a*a*a*b",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                false,
            ),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }
}
