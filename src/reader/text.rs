//! Texts from files and directories: escaping for printing, and patterns for labels.

use std::borrow::Cow;

/// Escapes all characters of a text that could do more to a terminal or a page than be shown: control
/// characters, line and paragraph separators, characters that change the direction of writing, and invisible
/// characters, which could make one label look like another.
///
/// Use it before you print to a terminal or a page. A [`Snapshot`](super::Snapshot) has the texts as they are
/// in the files (with U+FFFD for invalid UTF-8), so that they can be compared and written as JSON. Only
/// [`Problem::error`](super::Problem::error) is already escaped, because it is a sentence for people.
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
            '\u{61c}' // changes the direction
            | '\u{200b}'..='\u{200f}' // zero width, joiners, direction
            | '\u{2028}'..='\u{202e}' // separators, direction
            | '\u{2060}'..='\u{2064}' // invisible
            | '\u{2066}'..='\u{2069}' // direction
            | '\u{feff}' // invisible
        )
}

/// Returns whether `text` matches `pattern`, in which `*` matches any number of characters and `?` matches
/// one. A `*` itself cannot be escaped.
///
/// In the worst case takes time proportional to the product of the lengths.
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
    // Where to continue after a mismatch: the last star matches one more character.
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
