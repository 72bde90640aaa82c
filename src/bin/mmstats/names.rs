//! Interprets a name that a user typed: a label, a pattern of labels, or something that a value exposes. All commands
//! accept the names that `mmstats show` prints.

use mmstats::reader::{Model, Series, matches, printable};

use crate::input::Input;

/// How many labels are named if none matches.
const EXAMPLES: usize = 5;

/// What a pattern means for a label.
#[derive(Debug, PartialEq, Eq)]
pub enum PatternMatch {
    /// The label.
    Label,
    /// Things that its value or its window exposes, by names as in [`Series::exposed`].
    Parts(Vec<String>),
}

/// Returns what a pattern means for a stat; see [`means`].
pub fn resolve(pattern: &str, stat: &Series) -> Option<PatternMatch> {
    let exposed = || stat.exposed().iter().map(|(name, _)| &**name).collect();
    means(pattern, stat.label(), exposed)
}

/// Returns what a pattern (`*` and `?`) means for a label whose value has parts of these names; `None` if it does not
/// match. Names match as they are and as they are printed. Parts that rows show also match by their names there:
/// `p99`, `mean`.
pub fn means<'a>(
    pattern: &str,
    label: &str,
    parts: impl Fn() -> Vec<&'a str>,
) -> Option<PatternMatch> {
    let is =
        |pattern: &str, name: &str| matches(pattern, name) || matches(pattern, &printable(name));
    if is(pattern, label) {
        return Some(PatternMatch::Label);
    }
    // A part may have separators in its name.
    [".", ":", "__"].into_iter().find_map(|separator| {
        pattern.rmatch_indices(separator).find_map(|(at, _)| {
            if !is(&pattern[..at], label) {
                return None;
            }
            let wanted = &pattern[at + separator.len()..];
            let names: Vec<_> = (parts().into_iter())
                .filter(|name| is(wanted, name) || in_row(wanted) == in_row(name))
                .map(str::to_owned)
                .collect();
            (!names.is_empty()).then_some(PatternMatch::Parts(names))
        })
    })
}

/// Returns the name of a percentile as in rows and titles: `p99`.
pub fn short(name: &str) -> &str {
    match name {
        "Median" | "Percentile50th" => "p50",
        "Percentile75th" => "p75",
        "Percentile90th" => "p90",
        "Percentile95th" => "p95",
        "Percentile99th" => "p99",
        "Percentile999th" => "p99.9",
        other => other,
    }
}

/// Returns the name of any part as in rows.
fn in_row(name: &str) -> &str {
    match name {
        "Count" => "count",
        "Mean" => "mean",
        "Min" => "min",
        "Max" => "max",
        other => short(other),
    }
}

/// Returns what several patterns together mean for a label. Without patterns, every label matches.
pub fn resolve_any(patterns: &[String], stat: &Series) -> Option<PatternMatch> {
    if patterns.is_empty() {
        return Some(PatternMatch::Label);
    }
    let mut parts = Vec::new();
    for pattern in patterns {
        match resolve(pattern, stat) {
            Some(PatternMatch::Label) => return Some(PatternMatch::Label),
            Some(PatternMatch::Parts(names)) => {
                for name in names {
                    if !parts.contains(&name) {
                        parts.push(name);
                    }
                }
            }
            None => {}
        }
    }
    (!parts.is_empty()).then_some(PatternMatch::Parts(parts))
}

/// Returns the name of a part, as `mmstats show --per-file` prints it.
pub fn of_part(stat: &Series, part: &str) -> String {
    format!("{}{}{part}", stat.label(), stat.value().separator())
}

/// Splits patterns at commas. A comma in the braces of labels (`ok{a="1",b="2"}`) does not separate, nor does one in
/// a name that `is_known`.
pub fn split(text: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let pieces: Vec<&str> = text
        .split(|c: char| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' if depth > 0 => quoted = !quoted,
                '{' if !quoted => depth += 1,
                '}' if !quoted && depth > 0 => depth -= 1,
                ',' => return depth == 0,
                _ => {}
            }
            false
        })
        .collect();
    let mut patterns = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let joined = (at + 2..=pieces.len())
            .rev()
            .map(|end| (end, pieces[at..end].join(",")))
            .find(|(_, name)| is_known(name));
        let (next, pattern) = joined.unwrap_or_else(|| (at + 1, pieces[at].to_owned()));
        if !pattern.is_empty() {
            patterns.push(pattern);
        }
        at = next;
    }
    patterns
}

/// Returns whether this is the exact name of a label or of something that one exposes.
pub fn is_known(name: &str, input: &Input) -> bool {
    stats(input).any(|stat| {
        let is = |known: &str| known == name || printable(known) == name;
        is(stat.label())
            || stat.exposed().iter().any(|(part, _)| {
                is(&of_part(stat, part)) || is(&format!("{}:{part}", stat.label()))
            })
    })
}

/// Returns the message for a pattern that matches nothing.
pub fn no_label(input: &Input, pattern: &str) -> String {
    let some: Vec<_> = stats(input).take(EXAMPLES + 1).map(Series::label).collect();
    let more = if some.len() > EXAMPLES { ", …" } else { "" };
    let some = some[..some.len().min(EXAMPLES)].join(", ");
    format!("no label matches {pattern:?}: there are {some}{more} (`mmstats show` prints all)")
}

/// Returns the patterns that match nothing.
pub fn unmatched<'a>(patterns: &'a [String], input: &'a Input) -> impl Iterator<Item = &'a String> {
    let matches = |pattern: &str| stats(input).any(|stat| resolve(pattern, stat).is_some());
    patterns.iter().filter(move |pattern| !matches(pattern))
}

/// Returns the merged series of all models.
pub fn stats(input: &Input) -> impl Iterator<Item = &Series> {
    input.merged().flat_map(Model::series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_a_label_separate_nothing() {
        let known = |name: &str| name == "a,b" || name == "x,y,z";
        for (text, patterns) in [
            ("requests,index.*", vec!["requests", "index.*"]),
            (",q,,r,", vec!["q", "r"]),
            (
                r#"ok{a="1",b="},\","},q"#,
                vec![r#"ok{a="1",b="},\","}"#, "q"],
            ),
            ("a,b,c,x,y,z", vec!["a,b", "c", "x,y,z"]),
            ("", vec![]),
        ] {
            assert_eq!(split(text, known), patterns, "{text}");
        }
    }
}
