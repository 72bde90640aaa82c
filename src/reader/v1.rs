//! Files of python-mmstats (format 1), read into the same plans and values as those of format 3: a number
//! becomes a gauge, `?` a flag, a string a text.
//!
//! With that format a reader cannot detect a torn value. So a file is read until two readings agree. If they
//! never agree on a value of more than a byte, its label is reported in the problems.
//!
//! Nor can a reader tell whether the process lives, because the pid in the file may be that of a parent. So
//! the state of such a file is always unknown.

use std::path::Path;
use std::sync::Arc;

use super::contents::{self, Contents, ReadInstance};
use super::plan::Plans;
use super::source::ReadError;
use super::text::printable;
use crate::format::bytes::{cut, words};
use crate::format::header::{Header, NAME_MOST};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, Merge, MetricSchema, Schema};
use crate::format::v1::{self, Field};
use crate::metric::kind::code;
use crate::sys::memory::read_map::{self, FileExt, FileStat, RegularFile};

/// How often a file is read at most until two readings agree. A Python program writes at most once in a
/// microsecond.
const TRIES: usize = 16;

/// The labels, after a prefix, by which every model of python-mmstats describes its process.
const SYSTEM: [&str; 5] = ["sys.pid", "sys.tid", "sys.uid", "sys.gid", "sys.created"];

/// A file of format 1.
#[derive(Debug, Default)]
pub struct OldFile {
    /// The schema record made from the fields. If it changes, the fields have changed.
    record: Vec<u8>,
}

/// Returns whether a file that begins with these bytes is of format 1.
pub fn is_old(start: &[u8]) -> bool {
    start.first() == Some(&v1::VERSION)
}

/// Returns the header that the file would have in format 3.
pub fn header(path: &Path, opened: &RegularFile) -> Result<Header, ReadError> {
    let bytes = read(opened)?;
    let fields = v1::fields(&bytes)?;
    let number = |label: &str| {
        let field = fields.iter().find(|field| field.label.ends_with(label))?;
        Some(field.scalar.number(field.word()).as_f64())
    };
    // Casts saturate, and NaN is 0.
    let id = |label: &str| number(label).unwrap_or(0.0) as u32;
    let (model, ids) = name(path);
    // The file's name takes precedence: the ids inside it are those of the first thread and process of a
    // class.
    let (pid, tid) = ids.unwrap_or_else(|| (id("sys.pid"), id("sys.tid")));
    Ok(Header {
        model,
        pid,
        tid,
        uid: id("sys.uid"),
        gid: id("sys.gid"),
        created: (number("sys.created").unwrap_or(0.0) * 1e9) as u64,
        ..Header::default()
    })
}

/// Returns the model and the ids in `{CMD}-{PID}-{TID}.mmstats`. For any other name the model is its stem.
fn name(path: &Path) -> (String, Option<(u32, u32)>) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let parts = || {
        let (rest, tid) = stem.rsplit_once('-')?;
        let (command, pid) = rest.rsplit_once('-')?;
        let ids = (pid.parse().ok()?, tid.parse().ok()?);
        (!command.is_empty()).then_some((command, ids))
    };
    let (model, ids) = match parts() {
        Some((command, ids)) => (command, Some(ids)),
        None => (&*stem, None),
    };
    let model = cut(model, NAME_MOST);
    (model.to_owned(), ids)
}

impl OldFile {
    /// Makes one pass: reads all fields and their values.
    pub fn refresh(
        &mut self,
        path: &Path,
        identity: (u64, u64),
        contents: &mut Contents,
        plans: &mut Plans,
    ) -> Result<FileStat, ReadError> {
        let opened = read_map::open(path).map_err(|error| ReadError::io("open it", error))?;
        if opened.stat.identity != identity {
            return Err(ReadError::Gone);
        }
        let (bytes, torn) = settled(|| read(&opened))?;
        let fields = v1::fields(&bytes)?;
        let record = schema(&fields).encode();
        if record != self.record {
            *contents = laid_out(plans, &record, &fields)?;
            self.record = record;
        }
        contents.problems.clear();
        set(contents, &fields);
        if let Some(problem) = half_built(&fields) {
            contents.problems.push(problem);
        }
        for label in torn {
            contents.problems.push(format!(
                "{}: changed between all of {TRIES} readings: its value may be torn, which format 1 \
                 cannot tell",
                printable(&label)
            ));
        }
        Ok(opened.stat)
    }
}

/// Reads the bytes of the file. It is an error if they are out of proportion to the space that it takes.
fn read(opened: &RegularFile) -> Result<Vec<u8>, ReadError> {
    let len = opened.stat.len;
    if len > contents::most(opened.stat.allocated) {
        return Err(ReadError::Bad(format!(
            "{len} bytes: out of proportion to the space that the file takes"
        )));
    }
    let len =
        usize::try_from(len).map_err(|_| ReadError::Bad("too large to be read".to_owned()))?;
    let mut bytes = vec![0; len];
    (opened.file.read_exact_at(&mut bytes, 0)).map_err(|error| ReadError::io("read it", error))?;
    Ok(bytes)
}

/// Returns the first reading that equals the one before it; otherwise the last one, with the labels whose
/// values still differed.
fn settled(
    mut read: impl FnMut() -> Result<Vec<u8>, ReadError>,
) -> Result<(Vec<u8>, Vec<String>), ReadError> {
    let mut bytes = read()?;
    let mut torn = Vec::new();
    for _ in 1..TRIES {
        let again = read()?;
        torn = differing(&v1::fields(&bytes)?, &v1::fields(&again)?);
        bytes = again;
        if torn.is_empty() {
            break;
        }
    }
    Ok((bytes, torn))
}

/// Returns the labels of the values on which two readings differ. A single byte of the same type cannot be
/// torn and is left out.
fn differing(first: &[Field<'_>], second: &[Field<'_>]) -> Vec<String> {
    if first.len() != second.len() {
        // Its process is adding fields.
        return second.iter().map(|field| field.label.clone()).collect();
    }
    (first.iter().zip(second))
        .filter(|(a, b)| a != b && (b.value.len() > 1 || a.scalar != b.scalar))
        .map(|(_, b)| b.label.clone())
        .collect()
}

/// Returns the fields as a schema of format 3.
fn schema(fields: &[Field<'_>]) -> Schema {
    let mut schema = Schema::default();
    for field in fields {
        let (kind, geometry) = match field.scalar {
            Scalar::Text => {
                let words = 1 + field.value.len().div_ceil(8);
                (code::TEXT, Geometry::slot(words, None))
            }
            Scalar::Bool => (code::FLAG, Geometry::WORD),
            _ => (code::GAUGE, Geometry::WORD),
        };
        let of_process = SYSTEM.iter().any(|label| field.label.ends_with(label));
        schema.push(MetricSchema {
            label: field.label.clone(),
            unit: String::new(),
            help: String::new(),
            kind,
            scalar: Some(field.scalar),
            // A sum of pids means nothing.
            merge: if of_process {
                Merge::Latest
            } else {
                Merge::Sum
            },
            offset: 0,
            geometry,
            parameter: 0,
            fields: Arc::default(),
        });
    }
    schema
}

/// Returns contents with space for the values of these fields, whose schema record is `record`.
fn laid_out(plans: &mut Plans, record: &[u8], fields: &[Field<'_>]) -> Result<Contents, ReadError> {
    let plan = plans.get(record, 0)?;
    if plan.metrics.len() != fields.len() {
        return Err(ReadError::Bad(plan.problems.join("; ")));
    }
    let mut contents = Contents::new(0);
    contents.values.words = vec![0; plan.words];
    contents.values.had = vec![true; plan.slots.len()];
    contents.instances.push(ReadInstance {
        plan,
        identity: Arc::default(),
        block: 0,
        at: 0,
        slots: 0,
        extents: Vec::new(),
        shape: None,
        generation: None,
    });
    Ok(contents)
}

/// Stores the fields' values in their places.
fn set(contents: &mut Contents, fields: &[Field<'_>]) {
    let plan = &contents.instances[0].plan;
    for (metric, field) in plan.metrics.iter().zip(fields) {
        let to = &mut contents.values.words[metric.at..][..metric.words];
        if field.scalar == Scalar::Text {
            let text = field.text();
            to.fill(0);
            let words = std::iter::once(text.len() as u64).chain(words(text));
            to.iter_mut().zip(words).for_each(|(to, word)| *to = word);
        } else {
            to[0] = field.word();
        }
    }
}

/// Returns what is missing in a file that was not completed.
fn half_built(fields: &[Field<'_>]) -> Option<String> {
    let has = |label: &&&str| fields.iter().any(|field| field.label.ends_with(**label));
    let missing: Vec<_> = SYSTEM.iter().filter(|label| !has(label)).copied().collect();
    (!missing.is_empty()).then(|| {
        let what = if fields.is_empty() {
            "it has no fields yet".to_owned()
        } else {
            format!("{} are missing", missing.join(", "))
        };
        format!("half-built: {what}: its process is just starting, or ended while it did")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_model() {
        for (file, model, ids) in [
            (
                "/tmp/gunicorn-812-815.mmstats",
                "gunicorn",
                Some((812, 815)),
            ),
            ("a-b-1-2.mmstats", "a-b", Some((1, 2))),
            ("all-initial.mmstats", "all-initial", None),
            ("-1-2.mmstats", "-1-2", None),
            ("x-1-two.mmstats", "x-1-two", None),
            ("e\x1b-1-2.mmstats", "e\x1b", Some((1, 2))),
        ] {
            assert_eq!(name(Path::new(file)), (model.to_owned(), ids), "{file}");
        }
    }

    #[test]
    fn a_file_is_read_until_two_readings_agree() {
        let mut golden = include_bytes!("../../tests/golden/v1/mk_v1-28049-28049.mmstats").to_vec();
        // The counter `c` rises at each of the first `changes` readings.
        let mut after = |changes: u8| {
            let mut readings = 0;
            let (bytes, torn) = settled(|| {
                readings += 1;
                golden[8] = readings.min(changes);
                Ok(golden.clone())
            })
            .unwrap();
            (bytes[8], torn, readings)
        };
        assert_eq!(after(1), (1, vec![], 2));
        assert_eq!(after(5), (5, vec![], 6));
        assert_eq!(after(200), (16, vec!["c".to_owned()], 16));
    }

    #[test]
    fn readings_that_differ_are_named_but_for_single_bytes() {
        let field = |label: &str, scalar, value| Field {
            label: label.to_owned(),
            scalar,
            value,
        };
        let a = [
            field("n", Scalar::U16, &[1, 2]),
            field("b", Scalar::U8, &[1]),
        ];
        let b = [
            field("n", Scalar::U16, &[1, 3]),
            field("b", Scalar::U8, &[2]),
        ];
        assert_eq!(differing(&a, &a), [""; 0]);
        assert_eq!(differing(&a, &b), ["n"]);
    }
}
