//! A reader that takes its offsets from the tables of docs/FORMAT.md.

use std::fs;

use mmstats::{Counter, Groups, MmStats, UpDown};

use super::golden;
use super::tables::table;

#[derive(MmStats)]
struct Web {
    requests: Counter,
    in_flight: UpDown,
    #[mmstats(prefix = "h.")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    ok: Counter,
}

struct Tables<'a> {
    bytes: &'a [u8],
}

impl Tables<'_> {
    /// Returns the number at the offset from `at` that the row `name` of a table states.
    fn get(&self, at: usize, heading: &str, name: &str) -> usize {
        let table = table(heading);
        let row = table
            .iter()
            .find(|row| row[2] == name)
            .unwrap_or_else(|| panic!("{heading} has no {name:?}"));
        let at = at + row[0].parse::<usize>().unwrap();
        let size = row[1][1..].parse::<usize>().unwrap() / 8;
        self.bytes[at..at + size]
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
    }

    fn texts(&self, at: usize, heading: &str) -> usize {
        at + table(heading).last().unwrap()[0].parse::<usize>().unwrap()
    }

    /// Returns label, kind and first plain word of each metric.
    fn metrics(&self) -> Vec<(String, usize, u64)> {
        let text =
            |at: usize, len: usize| String::from_utf8(self.bytes[at..at + len].to_vec()).unwrap();
        assert_eq!(self.bytes[0], 3);
        let committed = self.get(0, "Header", "committed length");
        let mut at = self.get(0, "Header", "header length");
        let mut metrics = Vec::new();
        while at < committed {
            if self.get(at, "Record head", "type") == 2 {
                let instance = |name| self.get(at, "Instance record", name);
                let texts = self.texts(at, "Instance record");
                let (prefix, group) = (
                    instance("length of the prefix"),
                    instance("length of the group's name"),
                );
                let mut prefix = text(texts, prefix + group);
                prefix.extend((group > 0).then_some('.'));
                let schema = instance("schema");
                let names = [
                    "length of the name",
                    "length of the help",
                    "length of the type",
                ];
                let names: usize = names
                    .iter()
                    .map(|name| self.get(schema, "Schema record", name))
                    .sum();
                let mut entry = (self.texts(schema, "Schema record") + names).next_multiple_of(8);
                for _ in 0..self.get(schema, "Schema record", "metrics") {
                    let field = |name| self.get(entry, "Metric entry", name);
                    let label = text(
                        self.texts(entry, "Metric entry"),
                        field("length of the label"),
                    );
                    let slot = if field("buffers") == 0 {
                        0
                    } else {
                        1 + field("buffers") * field("words")
                    };
                    let plain = instance("block") + field("offset") + 8 * slot;
                    let word = self
                        .bytes
                        .get(plain..plain + 8)
                        .map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()));
                    metrics.push((format!("{prefix}{label}"), field("kind"), word));
                    entry += field("length");
                }
            }
            at += self.get(at, "Record head", "length");
        }
        assert_eq!(at, committed);
        metrics
    }
}

#[test]
fn a_reader_by_the_tables_reads_what_was_just_written() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .label_prefix("all.")
        .create()
        .unwrap();
    web.requests.add(7);
    web.in_flight.dec();
    web.handlers.group("index").ok.add(3);
    let bytes = fs::read(web.path().unwrap()).unwrap();
    let metrics = Tables { bytes: &bytes }.metrics();
    let has = |label: &str, kind: usize, word: u64| {
        assert!(
            metrics.contains(&(label.to_owned(), kind, word)),
            "{label}: {metrics:?}"
        );
    };
    has("all.requests", 1, 7);
    has("all.in_flight", 2, u64::MAX);
    has("all.h.index.ok", 1, 3);
    let golden = fs::read(golden("minimal.mmstats")).unwrap();
    assert_eq!(
        Tables { bytes: &golden }.metrics(),
        [("requests".to_owned(), 1, 7)]
    );
}
