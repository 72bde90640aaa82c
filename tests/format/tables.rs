//! Compares the tables and the example of docs/FORMAT.md with the source and the golden file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::golden;

const FORMAT: &str = include_str!("../../docs/FORMAT.md");
const HEADER: &str = include_str!("../../src/format/header.rs");
const RECORD: &str = include_str!("../../src/format/record.rs");
const NOTE: &str = include_str!("../../src/format/note.rs");
const DESCRIPTION: &str = include_str!("../../src/format/description.rs");
const EXTENT: &str = include_str!("../../src/format/extent.rs");
const RETIRED: &str = include_str!("../../src/format/retired.rs");
const SCHEMA: &str = include_str!("../../src/format/schema.rs");
const SCALAR: &str = include_str!("../../src/format/scalar.rs");
const ERROR_ENTRY: &str = include_str!("../../src/metric/errors/entry.rs");
const KIND: &str = include_str!("../../src/metric/kind.rs");

/// Returns the title of a heading of any level.
fn title(line: &str) -> Option<&str> {
    line.trim_start_matches('#')
        .strip_prefix(' ')
        .filter(|_| line.starts_with('#'))
}

/// Returns the rows of the first table after a heading, without the table's head.
pub fn table(heading: &str) -> Vec<Vec<String>> {
    let found = FORMAT.lines().filter(|line| title(line) == Some(heading));
    assert_eq!(found.count(), 1, "headings {heading:?}");
    let lines = FORMAT
        .lines()
        .skip_while(|line| title(line) != Some(heading));
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect()
}

/// A row of a table of offsets.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    offset: usize,
    /// As in the text; an array is `[u8]`, and an item without a fixed length is `bytes`.
    kind: String,
}

impl Row {
    fn new(offset: usize, kind: &str) -> Row {
        let kind = match kind {
            "u8" | "u16" | "u32" | "u64" => kind,
            _ if kind.starts_with("[u8") => "[u8]",
            _ => "bytes",
        };
        Row {
            offset,
            kind: kind.to_owned(),
        }
    }
}

fn rows(heading: &str) -> Vec<Row> {
    table(heading)
        .iter()
        .map(|row| Row::new(row[0].parse().expect("an offset"), &row[1]))
        .collect()
}

/// Returns the maps in the documentation of a module: a map ends where an offset is not greater than the previous one.
fn maps(source: &str) -> Vec<Vec<Row>> {
    let mut maps: Vec<Vec<Row>> = Vec::new();
    let mut inside = false;
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        if line.trim().starts_with("```") {
            inside = !inside;
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(offset) = words
            .next()
            .filter(|_| inside)
            .and_then(|word| word.parse().ok())
        else {
            continue;
        };
        let row = Row::new(offset, words.next().expect("what is there"));
        match maps.last_mut() {
            Some(map) if map.last().is_some_and(|last| last.offset < offset) => map.push(row),
            _ => maps.push(vec![row]),
        }
    }
    maps
}

#[test]
fn the_tables_have_the_offsets_of_the_source() {
    let two = |text: &str, source: &[Row]| assert_eq!(rows(text), source, "{text}");
    let header = maps(HEADER);
    assert_eq!(header.len(), 1);
    two("Header", &header[0]);
    // In the source, the map of an instance continues that of the head, so both tables together are one map.
    let record = maps(RECORD);
    let all: Vec<Row> = record.concat();
    two("Record head", &all[..3]);
    let instance = rows("Instance record");
    two("Instance record", &all[3..3 + instance.len()]);
    two("Octave record", &all[3 + instance.len()..]);
    let extent = maps(EXTENT);
    assert_eq!(extent.len(), 1);
    two("Extent record", &extent[0]);
    let note = maps(NOTE);
    assert_eq!(note.len(), 1);
    two("Note record", &note[0]);
    let description = maps(DESCRIPTION);
    assert_eq!(description.len(), 1);
    two("Description record", &description[0]);
    let retired = maps(RETIRED);
    assert_eq!(retired.len(), 2);
    two("Retired record", &retired[0]);
    two("Name of a folded file", &retired[1]);
    let schema = maps(SCHEMA);
    assert_eq!(schema.len(), 3);
    two("Schema record", &schema[0]);
    two("Metric entry", &schema[1]);
    two("Field", &schema[2]);
}

#[test]
fn the_tables_have_no_gaps() {
    for heading in [
        "Header",
        "Record head",
        "Schema record",
        "Metric entry",
        "Field",
        "Instance record",
        "Octave record",
        "Extent record",
        "Note record",
        "Retired record",
        "Name of a folded file",
    ] {
        let table = table(heading);
        for two in table.windows(2) {
            let size = match &*two[0][1] {
                "u8" => 1,
                "u16" => 2,
                "u32" => 4,
                "u64" => 8,
                array => array
                    .trim_start_matches("[u8; ")
                    .trim_end_matches(']')
                    .parse()
                    .expect("a length"),
            };
            let offset = |row: &[String]| row[0].parse::<usize>().unwrap();
            assert_eq!(
                offset(&two[0]) + size,
                offset(&two[1]),
                "{heading}: {two:?}"
            );
        }
    }
}

/// Returns names and numbers of lines such as `    Name = 1,` or `pub const NAME: u16 = 1;` after `from`.
fn constants(source: &str, from: &str) -> BTreeMap<u32, String> {
    let source = &source[source.find(from).unwrap_or_else(|| panic!("no {from:?}"))..];
    let constants: BTreeMap<u32, String> = source[from.len()..]
        .lines()
        .skip(1)
        .take_while(|line| *line != "}")
        .filter_map(|line| {
            let (name, number) = line
                .trim()
                .trim_start_matches("pub const ")
                .split_once(" = ")?;
            let name = name.split(':').next()?.to_lowercase().replace('_', "");
            Some((number.trim_end_matches([',', ';']).parse().ok()?, name))
        })
        .collect();
    assert!(!constants.is_empty(), "{from}");
    constants
}

/// Returns codes and names in a text such as "1 schema, 2 instance, 3 octave; …".
fn named(text: &str) -> BTreeMap<u32, String> {
    text.split([',', ';'])
        .filter_map(|part| {
            let (code, name) = part.trim().split_once(' ')?;
            Some((code.parse().ok()?, name.split(':').next()?.to_owned()))
        })
        .collect()
}

#[test]
fn the_tables_have_the_codes_of_the_source() {
    let codes = |heading: &str| -> BTreeMap<u32, String> {
        table(heading)
            .iter()
            .map(|row| (row[0].parse().unwrap(), row[1].clone()))
            .collect()
    };
    assert_eq!(
        codes("Scalar codes"),
        constants(SCALAR, "pub enum Scalar {")
    );
    assert_eq!(codes("Kind codes"), constants(KIND, "pub mod code {"));
    assert_eq!(
        codes("Words of an error log"),
        constants(ERROR_ENTRY, "pub(super) mod plain {")
    );
    // In the form of the map of a buffer in the source.
    let words: Vec<String> = codes("Words of an entry").into_values().collect();
    assert!(ERROR_ENTRY.contains(&format!("//! | {} | name, site,", words.join(" | "))));
    assert_eq!(
        named(&table("Record head")[1][3]),
        constants(RECORD, "pub enum Type {")
    );
    let rules = constants(SCHEMA, "pub enum Merge {");
    assert_eq!(named(&table("Metric entry")[3][3]), rules);
    let states = named(&table("Owner word")[1][2]);
    let source: BTreeMap<u32, String> = [(0, "live"), (1, "orphan"), (2, "ended"), (3, "panicked")]
        .map(|(code, name)| (code, name.to_owned()))
        .into();
    assert_eq!(states, source);
    for (code, name) in [(1, "Orphan"), (2, "Ended"), (3, "Panicked")] {
        assert!(
            HEADER.contains(&format!("{code} => OwnerState::{name}")),
            "{name}"
        );
    }
    for row in table("Buckets") {
        let [d, h, octaves] = [0, 1, 2].map(|cell| row[cell].parse::<u32>().unwrap());
        let k = (2 * 10u64.pow(d)).next_power_of_two().trailing_zeros();
        assert_eq!((h, octaves), (1 << (k - 1), 66 - k));
    }
}

/// Returns the text of each chapter of Part II with the kinds it describes, in the order of the text.
fn chapters() -> Vec<(Vec<String>, &'static str)> {
    let part = FORMAT
        .split("\n# ")
        .find(|part| part.starts_with("Part II. "))
        .expect("Part II");
    part.split("\n## ")
        .skip(1)
        .map(|chapter| {
            let kinds = chapter.lines().next().unwrap().to_lowercase();
            let kinds = kinds.split(" and ").map(str::to_owned).collect();
            (kinds, chapter)
        })
        .filter(|(kinds, _): &(Vec<String>, _)| kinds != &["kinds"])
        .collect()
}

#[test]
fn the_chapter_of_a_kind_repeats_what_the_tables_say() {
    let chapters = chapters();
    let kinds: BTreeSet<&String> = chapters.iter().flat_map(|(kinds, _)| kinds).collect();
    let codes = table("Kind codes");
    assert_eq!(kinds, codes.iter().map(|row| &row[1]).collect());
    let says = |kind: &str, line: String| {
        let chapter = chapters
            .iter()
            .find(|(kinds, _)| kinds.iter().any(|other| other == kind))
            .unwrap_or_else(|| panic!("no chapter of {kind:?}"));
        assert!(chapter.1.lines().any(|other| other == line), "{line}");
    };
    let mut merged = BTreeSet::new();
    for row in table("Merging") {
        for kind in row[0].split(", ") {
            says(
                kind,
                format!("**Merging.** Files: {}. Rule: {}.", row[1], row[2]),
            );
            merged.insert(kind.to_owned());
        }
    }
    assert_eq!(merged.iter().collect::<BTreeSet<_>>(), kinds);
    let json = FORMAT.split("\n| kind | keys |\n").nth(1).expect("JSON");
    for line in json
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
    {
        let (kinds, keys) = line.trim_matches('|').split_once(" | ").unwrap();
        for kind in kinds.trim().split(", ") {
            says(kind, format!("**JSON.** {}.", keys.trim()));
        }
    }
}

#[test]
fn the_contents_list_the_chapters() {
    let contents = FORMAT.split("\n## Contents\n").nth(1).expect("contents");
    let listed: Vec<&str> = contents
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches("- ").strip_prefix('['))
        .map(|line| line.split(']').next().unwrap())
        .collect();
    let chapters: Vec<&str> = FORMAT
        .lines()
        .filter(|line| line.starts_with("# ") || line.starts_with("## "))
        .filter_map(title)
        .skip(2)
        .collect();
    assert_eq!(listed, chapters);
}

#[test]
fn the_example_is_the_golden_file() {
    let example = FORMAT
        .split("<!-- golden: minimal.mmstats -->")
        .nth(1)
        .expect("the example");
    let golden = fs::read(golden("minimal.mmstats")).unwrap();
    let mut at = 0;
    let mut zeros_from = None;
    for line in example.lines().skip(2).take_while(|line| *line != "```") {
        let offset = usize::from_str_radix(&line[..4], 16).unwrap();
        if let Some(from) = zeros_from.take() {
            assert!(golden[from..offset].iter().all(|byte| *byte == 0), "{line}");
            at = offset;
        }
        assert_eq!(offset, at, "{line}");
        let bytes = line.get(6..).unwrap_or("").split("  ").next().unwrap_or("");
        if bytes.ends_with('…') {
            zeros_from = Some(at);
            continue;
        }
        for byte in bytes.split_whitespace() {
            assert_eq!(u8::from_str_radix(byte, 16).unwrap(), golden[at], "{line}");
            at += 1;
        }
    }
    assert_eq!(at, golden.len());
}
