//! Links between the documents: each leads to a file of the repository, and to an existing heading.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents that are read on GitHub.
pub fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in ["", "docs", "derive"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// Returns the lines of a document that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns GitHub's anchors of headings: lower case, hyphens for spaces, other punctuation removed; a repeated one has
/// a number.
fn anchors(text: &str) -> Vec<String> {
    let mut seen = HashMap::new();
    let headings = prose(text).filter_map(|line| {
        let title = line.trim_start_matches('#');
        (line.len() > title.len() && title.starts_with(' ')).then(|| title.trim().to_lowercase())
    });
    let slugs = headings.map(|title| {
        let kept = title.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        let slug: String = kept.collect();
        let count = seen.entry(slug.clone()).or_insert(0);
        *count += 1;
        match *count {
            1 => slug,
            n => format!("{slug}-{}", n - 1),
        }
    });
    slugs.collect()
}

/// Returns the targets of the links in a line: `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    // Code may look like a link, so every other piece between backticks is skipped.
    let outside = line.split('`').step_by(2);
    let links = outside.flat_map(|piece| piece.split("](").skip(1));
    links.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// Returns what is wrong with the links of a document.
fn problems(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut problems = Vec::new();
    for target in prose(&text).flat_map(targets) {
        if target.contains("://") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = match file {
            "" => path.to_owned(),
            file => path.parent().expect("a document's directory").join(file),
        };
        if !file.exists() {
            problems.push(format!("{}: no {target}", path.display()));
        } else if !anchor.is_empty() {
            let there = anchors(&fs::read_to_string(&file).unwrap());
            if !there.iter().any(|heading| heading == anchor) {
                problems.push(format!("{}: no heading of {target}", path.display()));
            }
        }
    }
    problems
}

#[test]
fn links_lead_somewhere() {
    let problems: Vec<String> = documents().iter().flat_map(|path| problems(path)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_is_wrong_is_found() {
    let directory = tempfile::TempDir::new().unwrap();
    let document = directory.path().join("a.md");
    let text = "# The `API`: a & b\n## Twice\n## Twice\n[1](a.md#the-api-a--b) [2](#twice-1) [3](https://x.y)\n\
                [4](b.md)\n[5](#nowhere) `[6](c.md)`\n```\n[7](d.md)\n# No heading\n```\n[8](#no-heading)\n";
    fs::write(&document, text).unwrap();
    let found = problems(&document);
    let expected = [
        "no b.md",
        "no heading of #nowhere",
        "no heading of #no-heading",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (problem, expected) in found.iter().zip(expected) {
        assert!(problem.ends_with(expected), "{problem}");
    }
}
