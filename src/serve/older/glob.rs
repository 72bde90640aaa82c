//! The globs of the older systems: those of Redis, and those of a shell.

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Glob(Vec<Token>);

#[derive(Debug)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    Exactly(char),
    /// `[a-c]`: one character that is in a range, or in none if negated.
    Set {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Token::Any | Token::One => true,
            Token::Exactly(wanted) => *wanted == c,
            Token::Set { is_negated, ranges } => {
                *is_negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            }
        }
    }
}

/// Returns the bytes of a text as characters: Redis matches bytes, so its `?` is one byte.
fn bytes(text: &str) -> Vec<char> {
    text.bytes().map(char::from).collect()
}

/// Returns a matcher for a Redis glob: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a literal character. A set that is
/// not closed ends with the pattern.
pub(super) fn redis(pattern: &str) -> impl Fn(&str) -> bool {
    let glob = Glob::redis(&bytes(pattern));
    move |text| glob.matches(&bytes(text))
}

/// Returns a matcher of paths for a shell glob: `*`, `?`, `[a-c]` and `[!a]`, none of which matches a slash. The
/// bracket of a set that is not closed is literal.
pub(super) fn shell(pattern: &str) -> impl Fn(&str) -> bool {
    let parts = |path: &str| -> Vec<Vec<char>> {
        let parts = path.split('/');
        parts.map(|part| part.chars().collect()).collect()
    };
    let globs: Vec<Glob> = parts(pattern)
        .iter()
        .map(|part| Glob::shell(part))
        .collect();
    move |path| {
        let parts = parts(path);
        parts.len() == globs.len()
            && globs
                .iter()
                .zip(&parts)
                .all(|(glob, part)| glob.matches(part))
    }
}

impl Glob {
    fn redis(mut rest: &[char]) -> Glob {
        let mut tokens = Vec::new();
        loop {
            let (token, after) = match rest {
                [] => return Glob(tokens),
                ['*', after @ ..] => (Token::Any, after),
                ['?', after @ ..] => (Token::One, after),
                ['[', '^', after @ ..] => redis_set(true, after),
                ['[', after @ ..] => redis_set(false, after),
                ['\\', c, after @ ..] | [c, after @ ..] => (Token::Exactly(*c), after),
            };
            tokens.push(token);
            rest = after;
        }
    }

    fn shell(mut rest: &[char]) -> Glob {
        let mut tokens = Vec::new();
        loop {
            let (token, after) = match rest {
                [] => return Glob(tokens),
                ['*', after @ ..] => (Token::Any, after),
                ['?', after @ ..] => (Token::One, after),
                ['[', after @ ..] => shell_set(after).unwrap_or((Token::Exactly('['), after)),
                [c, after @ ..] => (Token::Exactly(*c), after),
            };
            tokens.push(token);
            rest = after;
        }
    }

    /// Takes at worst time proportional to the product of the lengths.
    fn matches(&self, text: &[char]) -> bool {
        let (mut token, mut at) = (0, 0);
        // Where to continue after a mismatch: the last `*` takes one more character.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Any) => {
                    star = Some((token, at));
                    token += 1;
                }
                Some(one) if one.matches(text[at]) => {
                    token += 1;
                    at += 1;
                }
                _ => match &mut star {
                    Some((star, taken)) => {
                        *taken += 1;
                        (token, at) = (*star + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        self.0[token..]
            .iter()
            .all(|token| matches!(token, Token::Any))
    }
}

/// Parses a set of a Redis glob, after its bracket, and returns it with the rest.
fn redis_set(is_negated: bool, mut rest: &[char]) -> (Token, &[char]) {
    let mut ranges = Vec::new();
    loop {
        let (range, after) = match rest {
            [] => return (Token::Set { is_negated, ranges }, rest),
            [']', after @ ..] => return (Token::Set { is_negated, ranges }, after),
            ['\\', c, after @ ..] => ((*c, *c), after),
            // The second end may be any character, even a closing bracket.
            [a, '-', b, after @ ..] => ((*a.min(b), *a.max(b)), after),
            [c, after @ ..] => ((*c, *c), after),
        };
        ranges.push(range);
        rest = after;
    }
}

/// Parses a set of a shell glob, after its bracket, and returns it with the rest; `None` if it is not closed. A
/// closing bracket that comes first does not close it.
fn shell_set(rest: &[char]) -> Option<(Token, &[char])> {
    let (is_negated, inside) = match rest {
        ['!', inside @ ..] => (true, inside),
        inside => (false, inside),
    };
    let end = 1 + inside.iter().skip(1).position(|c| *c == ']')?;
    let (mut inside, after) = (&inside[..end], &inside[end + 1..]);
    let mut ranges = Vec::new();
    while let [c, others @ ..] = inside {
        let (high, others) = match others {
            ['-', high, others @ ..] => (high, others),
            _ => (c, others),
        };
        ranges.push((*c, *high));
        inside = others;
    }
    Some((Token::Set { is_negated, ranges }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line was answered like this by Redis 7.0 (`SCAN … MATCH`).
    #[test]
    fn redis_globs_match_as_in_redis() {
        for (pattern, text, want) in [
            ("*", "errors__all", true),
            ("errors__*", "errors__EXC:ValueError", true),
            ("errors__*", "task", false),
            ("*__*l", "errors__all", true),
            ("t?sk", "task", true),
            ("t?sk", "tsk", false),
            ("é", "é", true),
            ("?", "é", false),
            ("??", "é", true),
            ("t[a-c]sk", "task", true),
            ("t[c-a]sk", "task", true),
            ("t[b-c]sk", "task", false),
            ("t[xa]sk", "task", true),
            ("t[^a]sk", "task", false),
            ("t[^b]sk", "task", true),
            ("t[!b]sk", "task", false),
            ("[]task", "task", false),
            ("[^]ask", "task", true),
            ("tas[k", "task", true),
            ("tas[^k", "task", false),
            ("tas[", "task", false),
            ("tas[^", "task", true),
            ("tas[a-]", "task", false),
            ("tas[a-]", "tas]", true),
            ("tas[\\]k]", "task", true),
            ("star\\*", "star*", true),
            ("star\\*", "star_", false),
            ("star\\", "star\\", true),
            ("star\\", "star", false),
            ("sta\\r", "star", true),
            ("a[[]b", "a[b", true),
            ("TASK", "task", false),
            ("task*", "task", true),
            ("task**", "task", true),
            ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(redis(pattern)(text), want, "{pattern} {text}");
        }
    }

    /// Each line was answered like this by Python's `glob`.
    #[test]
    fn shell_globs_match_as_in_a_shell() {
        for (pattern, path, want) in [
            ("*", "app-1-2.mmstats", true),
            ("*", "app/mmstats-1-2", false),
            ("*/*", "app/mmstats-1-2", true),
            ("app/mmstats-1-*", "app/mmstats-1-2", true),
            ("app/mmstats-2-*", "app/mmstats-1-2", false),
            ("app*2", "app/mmstats-1-2", false),
            ("app/mmstats-[0-1]-?", "app/mmstats-1-2", true),
            ("[!b]pp", "app", true),
            ("[!a]pp", "app", false),
            ("[^b]pp", "app", false),
            ("[]a]pp", "app", true),
            ("[app", "app", false),
            ("[app", "[app", true),
            ("?pp", "épp", true),
            ("a\\pp", "app", false),
            ("", "app", false),
        ] {
            assert_eq!(shell(pattern)(path), want, "{pattern} {path}");
        }
    }
}
