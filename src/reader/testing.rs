//! Stats files made by hand for tests, with the encoders of `format` and without a writer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Reader;
use super::state::ProcessStates;
use crate::format::extent::{Extent, Shape};
use crate::format::header::{COMMITTED, Header, OWNER, Owner};
use crate::format::labels::Labels;
use crate::format::record::{Instance, Octave};
use crate::format::scalar::Scalar;
use crate::format::schema::{FieldSchema, Geometry, Merge, MetricSchema, Schema};
use crate::metric::kind::code;
use crate::sys::process::liveness::Liveness;

/// Returns a header of `model`, created at `created` by the process `pid`. The pid is also its lock token, by
/// which [`Stub`] finds it.
pub fn header(model: &str, pid: u32, created: u64) -> Header {
    let mut header = Header {
        model: model.into(),
        exe: "/bin/app".into(),
        created,
        pid,
        ..Header::default()
    };
    (header.tid, header.lock.token) = (pid + 1, pid.into());
    header
}

/// A metric of one word.
pub fn word(label: &str, kind: u16, scalar: Scalar) -> MetricSchema {
    metric(label, kind, scalar, Geometry::WORD)
}

pub fn metric(label: &str, kind: u16, scalar: Scalar, geometry: Geometry) -> MetricSchema {
    MetricSchema {
        label: label.into(),
        unit: String::new(),
        help: String::new(),
        kind,
        scalar: Some(scalar),
        merge: Merge::Sum,
        offset: 0,
        geometry,
        parameter: 0,
        fields: Default::default(),
    }
}

pub fn counter(label: &str) -> MetricSchema {
    word(label, code::COUNTER, Scalar::U64)
}

/// A text of at most 16 bytes.
pub fn text(label: &str) -> MetricSchema {
    MetricSchema {
        parameter: 16,
        ..metric(label, code::TEXT, Scalar::Text, Geometry::slot(3, None))
    }
}

/// A compound of `words` fields `f0`, `f1`, …, each a u64.
pub fn compound(label: &str, words: usize) -> MetricSchema {
    let fields = (0..words).map(|i| FieldSchema {
        name: format!("f{i}"),
        scalar: Scalar::U64,
        count: None,
        offset: 8 * i as u16,
        merge: Merge::Sum,
        counter: false,
    });
    let metric = metric(
        label,
        code::COMPOUND,
        Scalar::U64,
        Geometry::slot(words, None),
    );
    MetricSchema {
        scalar: None,
        fields: fields.collect(),
        ..metric
    }
}

/// A percentile with 2 digits.
pub fn percentile(label: &str) -> MetricSchema {
    let geometry = Geometry {
        buffers: 2,
        words: 8,
        plain: 58,
    };
    MetricSchema {
        parameter: 2,
        ..metric(label, code::PERCENTILE, Scalar::U64, geometry)
    }
}

/// A history of at most 100 values.
pub fn history(label: &str) -> MetricSchema {
    MetricSchema {
        parameter: 100,
        ..word(label, code::HISTORY, Scalar::F64)
    }
}

pub fn schema(metrics: impl IntoIterator<Item = MetricSchema>) -> Schema {
    let mut schema = Schema {
        model: "m".into(),
        ..Schema::default()
    };
    metrics.into_iter().for_each(|metric| schema.push(metric));
    schema
}

/// Builds the bytes of a file.
pub struct Maker {
    pub bytes: Vec<u8>,
}

impl Maker {
    pub fn new(header: &Header) -> Maker {
        Maker {
            bytes: header.encode(),
        }
    }

    /// A file with one instance of a schema, whose words are `values`.
    pub fn simple(header: &Header, schema: &Schema, values: &[u64]) -> Maker {
        let mut maker = Maker::new(header);
        let at = maker.schema(schema);
        let block = maker.instance(at, schema, "", "");
        maker.set(block, values);
        maker
    }

    pub fn schema(&mut self, schema: &Schema) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend(schema.encode());
        at
    }

    /// Adds an instance; returns the offset of its block.
    pub fn instance(
        &mut self,
        schema_at: u32,
        schema: &Schema,
        prefix: &str,
        group: &str,
    ) -> usize {
        self.labelled(schema_at, schema, prefix, group, Labels::new())
    }

    /// Adds an instance with labels; returns the offset of its block.
    pub fn labelled(
        &mut self,
        schema_at: u32,
        schema: &Schema,
        prefix: &str,
        group: &str,
        labels: Labels,
    ) -> usize {
        let instance = Instance {
            schema: schema_at,
            block: 0,
            prefix: prefix.into(),
            group: group.into(),
            labels,
        };
        let placed = instance.encode(self.bytes.len(), schema.block as usize / 8, None);
        self.bytes.extend(&placed.metadata);
        self.bytes.resize(placed.end, 0);
        placed.values
    }

    /// Adds the instance of a group that can be removed, with this generation; returns the offset of its
    /// block.
    pub fn removable(
        &mut self,
        schema_at: u32,
        schema: &Schema,
        group: &str,
        generation: u64,
    ) -> usize {
        self.removable_with(schema_at, schema, (group, &[]), generation)
    }

    /// Like [`removable`](Self::removable), with a name or labels.
    pub fn removable_with(
        &mut self,
        schema_at: u32,
        schema: &Schema,
        (group, labels): (&str, &[(&str, &str)]),
        generation: u64,
    ) -> usize {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let instance = Instance {
            schema: schema_at,
            block: 0,
            prefix: String::new(),
            group: group.into(),
            labels: labels.iter().map(owned).collect(),
        };
        let at = self.bytes.len();
        let placed = instance.encode_removable(at, schema.block as usize / 8, None);
        self.bytes.extend(&placed.metadata);
        self.bytes.resize(placed.end, 0);
        self.set(placed.values - 8, &[generation]);
        placed.values
    }

    pub fn octave(&mut self, owner: usize, octave: u32, counts: &[u64]) {
        let record = Octave {
            owner: owner as u32,
            octave,
            counts: 0,
            len: counts.len() as u32,
        };
        let placed = record.encode(self.bytes.len());
        self.bytes.extend(&placed.metadata);
        self.bytes.resize(placed.end, 0);
        self.set(placed.values, counts);
    }

    /// Adds an extent; returns the offset of its values.
    pub fn extent(&mut self, owner: usize, number: u32, shape: Shape, words: &[u64]) -> usize {
        let extent = Extent {
            owner: owner as u32,
            number,
            values: 0,
            shape,
        };
        let placed = extent.encode(self.bytes.len());
        self.bytes.extend(&placed.metadata);
        self.bytes.resize(placed.end, 0);
        self.set(placed.values, words);
        placed.values
    }

    /// Sets words from a byte of the file on.
    pub fn set(&mut self, at: usize, words: &[u64]) {
        for (i, word) in words.iter().enumerate() {
            self.bytes[at + 8 * i..][..8].copy_from_slice(&word.to_le_bytes());
        }
    }

    pub fn owner(mut self, owner: Owner) -> Maker {
        self.set(OWNER, &[owner.pack()]);
        self
    }

    /// Returns the file's bytes, all of them committed.
    pub fn finish(mut self) -> Vec<u8> {
        let len = self.bytes.len() as u64;
        self.set(COMMITTED, &[len]);
        self.bytes
    }
}

/// A root in a temporary directory.
pub struct Root(pub tempfile::TempDir);

impl Root {
    pub fn new() -> Root {
        Root(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file of the model `m`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join("m").join(name)
    }

    /// Writes a file of the model `m`.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn reader(&self) -> Reader {
        reader(self.path())
    }

    /// Makes readers use pread only, by letting others write to the directory.
    pub fn share(&self) {
        use std::os::unix::fs::PermissionsExt;
        let directory = self.path().join("m");
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
}

/// Returns a reader for which all processes live: it asks a [`Stub`].
pub fn reader(path: &Path) -> Reader {
    let mut reader = Reader::open(path).unwrap();
    reader.states = Box::new(Stub::default());
    reader
}

/// Answers as the test says whether processes live. Those not named live.
#[derive(Debug, Default)]
pub struct Stub(pub HashMap<u64, Liveness>);

impl ProcessStates for Stub {
    fn begin_round(&mut self) {}

    fn life(&mut self, _: &Path, header: &Header) -> Liveness {
        match self.0.get(&header.lock.token) {
            Some(Liveness::Dead) => Liveness::Dead,
            Some(Liveness::Unknown) => Liveness::Unknown,
            Some(Liveness::Alive) | None => Liveness::Alive,
        }
    }
}
