//! Golden files that no writer makes, or makes only after a long time: built record by record.

use mmstats::format::extent::{Extent, Shape};
use mmstats::format::header::{COMMITTED, Header};
use mmstats::format::record::{Instance, Octave};
use mmstats::format::retired::Retired;
use mmstats::format::scalar::Scalar;
use mmstats::format::schema::{Geometry, Merge, MetricSchema, Schema};

/// Kind codes.
const COUNTER: u16 = 1;
const GAUGE: u16 = 3;
const PERCENTILE: u16 = 8;
const HISTORY: u16 = 14;
const WINDOW: u16 = 16;

/// Returns all of these files, by name.
pub fn all() -> [(&'static str, Vec<u8>); 7] {
    [
        ("windows", windows()),
        ("lost-contexts", lost_contexts()),
        ("two-kinds", two_kinds()),
        ("fault-refuses-file", refuses_file()),
        ("fault-ends-list", ends_list()),
        ("fault-costs-metric", costs_metric()),
        ("fault-skipped", skipped()),
    ]
}

/// A file under construction.
struct Maker(Vec<u8>);

impl Maker {
    fn new(model: &str) -> Maker {
        let header = Header {
            model: model.to_owned(),
            exe: "/bin/app".to_owned(),
            created: 1_795_214_569_920_000_000,
            pid: 812,
            tid: 815,
            uid: 1000,
            gid: 100,
            ..Header::default()
        };
        Maker(header.encode())
    }

    /// Adds a schema and one instance of it; returns the offset of the block.
    fn instance(&mut self, group: &str, metrics: Vec<MetricSchema>, words: &[u64]) -> usize {
        let mut schema = Schema {
            model: "made".to_owned(),
            ..Schema::default()
        };
        metrics.into_iter().for_each(|metric| schema.push(metric));
        self.of_schema(group, &schema, words)
    }

    fn of_schema(&mut self, group: &str, schema: &Schema, words: &[u64]) -> usize {
        let at = self.0.len() as u32;
        self.0.extend(schema.encode());
        let instance = Instance {
            schema: at,
            block: 0,
            prefix: String::new(),
            group: group.to_owned(),
            labels: Vec::new(),
        };
        let placed = instance.encode(self.0.len(), schema.block as usize / 8, None);
        self.0.extend(&placed.metadata);
        self.0.resize(placed.end, 0);
        self.set(placed.values, words);
        placed.values
    }

    fn extent(&mut self, owner: usize, number: u32, shape: Shape, words: &[u64]) {
        let extent = Extent {
            owner: owner as u32,
            number,
            values: 0,
            shape,
        };
        let placed = extent.encode(self.0.len());
        self.0.extend(&placed.metadata);
        self.0.resize(placed.end, 0);
        self.set(placed.values, words);
    }

    fn octave(&mut self, owner: usize, octave: u32, counts: &[u64]) {
        let record = Octave {
            owner: owner as u32,
            octave,
            counts: 0,
            len: counts.len() as u32,
        };
        let placed = record.encode(self.0.len());
        self.0.extend(&placed.metadata);
        self.0.resize(placed.end, 0);
        self.set(placed.values, counts);
    }

    fn set(&mut self, at: usize, words: &[u64]) {
        for (i, word) in words.iter().enumerate() {
            self.0[at + 8 * i..][..8].copy_from_slice(&word.to_le_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let len = self.0.len() as u64;
        self.set(COMMITTED, &[len]);
        self.0
    }
}

fn metric(label: &str, kind: u16, scalar: Option<Scalar>, geometry: Geometry) -> MetricSchema {
    MetricSchema {
        label: label.to_owned(),
        unit: String::new(),
        help: String::new(),
        kind,
        scalar,
        merge: Merge::Sum,
        offset: 0,
        geometry,
        parameter: 0,
        fields: Default::default(),
    }
}

fn counter(label: &str) -> MetricSchema {
    metric(label, COUNTER, Some(Scalar::U64), Geometry::WORD)
}

/// The window of a counter, or of a percentile with one digit.
fn window(label: &str, of: u16) -> MetricSchema {
    let (words, plain, digits) = match of {
        COUNTER => (2, 0, 0),
        _ => (8, 61, 1),
    };
    let geometry = Geometry {
        buffers: 2,
        words: 13 * (1 + words),
        plain: 1 + 13 * plain,
    };
    MetricSchema {
        parameter: u32::from(of) | digits << 8,
        ..metric(label, WINDOW, None, geometry)
    }
}

/// Windows of another boot, which are empty; and a window that belongs to nothing.
fn windows() -> Vec<u8> {
    let mut made = Maker::new("windows");
    let percentile = MetricSchema {
        parameter: 1,
        ..metric(
            "size",
            PERCENTILE,
            Some(Scalar::U64),
            Geometry {
                buffers: 2,
                words: 8,
                plain: 61,
            },
        )
    };
    let metrics = vec![
        counter("requests"),
        window("requests.Window", COUNTER),
        percentile,
        window("size.Window", PERCENTILE),
        metric("level", GAUGE, Some(Scalar::U64), Geometry::WORD),
        window("level.Window", COUNTER),
    ];
    // The counter, and its step number 1, which began at 2 s with 3 of the 7.
    let mut words = vec![7, 2];
    words.extend([0; 39 + 3]);
    words.extend([2, 3, 2_000_000_000]);
    words.resize(1 + 1 + 2 * 39, 0);
    words.push(1_000_000_000);
    // The values 5 and 9: moments and the coarse counts of octave 0.
    words.push(2);
    words.extend([0; 8]);
    words.extend([2, 14, 0, 106, 0, !5, 9, 9, 2]);
    words.extend([0; 60]);
    // The same in step 1, in publication 0.
    words.push(0);
    words.extend([0; 9]);
    words.extend([2, 2, 14, 0, 106, 0, !5, 9, 9]);
    // The rest of both buffers, the length of a step, and the coarse counts of steps 0 and 1.
    words.resize(1 + 80 + 78 + 1 + 2 * 117, 0);
    words.push(2_000_000_000);
    words.extend([0; 61]);
    words.push(2);
    made.instance("", metrics, &words);
    made.finish()
}

/// Entries that refer to a context, to a replaced one, to places that do not exist, to one for which there was no
/// space, and to none.
fn lost_contexts() -> Vec<u8> {
    let mut made = Maker::new("lost-contexts");
    let history = MetricSchema {
        parameter: 8,
        ..metric("times", HISTORY, Some(Scalar::F64), Geometry::WORD)
    };
    let block = made.instance("", vec![history], &[2]);
    let shape = |cells, words| Shape {
        cells,
        buffers: 1,
        words,
        plain: 0,
    };
    let references = [
        2 << 32 | 1, // publication 2 of place 0: there
        1 << 32 | 1, // publication 1 of place 0: replaced
        1 << 32 | 2, // place 1: its first publication is being made
        1 << 32 | 9, // place 8: not there
        u64::MAX,    // there was no space
        0,           // none
    ];
    let mut words = Vec::new();
    for (p, reference) in (1..).zip(references) {
        words.extend([2 * p, 1_795_214_569_000_000_000 + p, f64::to_bits(p as f64)]);
        words.push(reference);
    }
    // An entry that is being written, and one that was never written.
    words.extend([13, 1, 1, 0, 0, 0, 0, 0]);
    made.extent(block, 0, shape(8, 3), &words);
    let text = u64::from_le_bytes(*b"context\0");
    made.extent(0, 0, shape(1, 2), &[4, 7, text]);
    made.extent(0, 1, shape(1, 2), &[1, 7, text]);
    made.finish()
}

/// A retired file in which one label has two kinds and another has two units: the first counts.
fn two_kinds() -> Vec<u8> {
    let mut made = Maker::new("two-kinds");
    let retired = Retired {
        folds: 2,
        ..Retired::default()
    };
    made.0.extend(retired.encode());
    let bytes = |unit: &str| MetricSchema {
        unit: unit.to_owned(),
        ..counter("size")
    };
    made.instance("", vec![counter("x"), bytes("bytes")], &[5, 1]);
    let gauge = metric("x", GAUGE, Some(Scalar::U64), Geometry::WORD);
    made.instance("", vec![gauge, bytes("kilobytes")], &[9, 20]);
    made.finish()
}

/// A file with an incompatible feature that no reader knows.
fn refuses_file() -> Vec<u8> {
    let mut made = Maker::new("fault-refuses-file");
    made.instance("", vec![counter("a")], &[1]);
    let mut bytes = made.finish();
    bytes[16] = 1;
    bytes
}

/// A record whose length is too short.
fn ends_list() -> Vec<u8> {
    let mut made = Maker::new("fault-ends-list");
    made.instance("", vec![counter("before")], &[1]);
    made.0.extend([4, 0, 0, 0, 5, 0, 0, 0]);
    made.instance("", vec![counter("after")], &[2]);
    made.finish()
}

/// Metrics that are each invalid, between valid ones.
fn costs_metric() -> Vec<u8> {
    let mut made = Maker::new("fault-costs-metric");
    let metrics = vec![
        counter("first"),
        counter("rule"),
        counter("first"),
        metric("scalar", GAUGE, Some(Scalar::Bool), Geometry::WORD),
        metric("geometry", 4, Some(Scalar::Bool), Geometry::slot(1, None)),
        counter("last"),
    ];
    made.instance("", metrics, &[1, 2, 3, 4, 5, 5, 5, 6]);
    let mut bytes = made.finish();
    let at = bytes.windows(4).position(|label| label == b"rule");
    bytes[at.expect("the label") - 32 + 7] = 9;
    bytes
}

/// Records and kinds that a reader does not know, and records that belong to nothing.
fn skipped() -> Vec<u8> {
    let mut made = Maker::new("fault-skipped");
    let unknown = metric("unknown", 60_000, Some(Scalar::U64), Geometry::WORD);
    let block = made.instance("", vec![counter("a"), unknown], &[1, 2]);
    let shape = Shape {
        cells: 1,
        buffers: 2,
        words: 3,
        plain: 0,
    };
    // Records of a counter, of a place that does not exist, and of an unknown metric.
    for owner in [block, 8, block + 8] {
        made.octave(owner, 0, &[7; 5]);
        made.extent(owner, 0, shape, &[2; 7]);
    }
    made.0
        .extend([16, 0, 0, 0, 0xe7, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    made.instance("g", vec![counter("b")], &[3]);
    made.finish()
}
