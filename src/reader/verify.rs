//! Verifies one file byte by byte. This is stricter than reading, which continues wherever it can.
//!
//! The bytes are read once. In a file that is being written a value may be in the middle of its publication,
//! so only bytes that do not change are checked.

use std::collections::HashSet;
use std::path::Path;

use super::contents::most;
use super::plan::OctaveLimits;
use super::source::{Access, Trouble};
use super::text::printable;
use crate::Error;
use crate::format::bytes::{Bytes, Malformed};
use crate::format::description::Description;
use crate::format::extent::{self, Extent};
use crate::format::generation::is_there;
use crate::format::header::{COMMITTED, FIXED, FLAGS_KNOWN, Header};
use crate::format::note::Note;
use crate::format::record::{HEAD, Head, Instance, Octave, Type};
use crate::format::retired::Retired;
use crate::format::schema::{MetricSchema, Schema};
use crate::format::{LINE, v1};
use crate::metric::registry;
use crate::sys::memory::read_map;

/// At most this many findings in one file are reported.
const MOST: usize = 64;

/// Verifies a stats file against its format, byte by byte. Returns what is wrong, and where; empty if nothing
/// is.
///
/// It reads the whole file, so do not call it every second.
///
/// ```
/// let wrong = mmstats::reader::verify("tests/golden/every-kind.mmstats")?;
/// assert!(wrong.is_empty());
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if it cannot be opened, [`Error::Malformed`] if it cannot be read or is not a stats file at
/// all.
pub fn verify(path: impl AsRef<Path>) -> Result<Vec<Malformed>, Error> {
    let path = path.as_ref();
    let opened = read_map::open(path).map_err(|error| Error::io(path, "open the file", error))?;
    let malformed = |offset: u64, what: String| Error::Malformed {
        path: path.to_owned(),
        malformed: Malformed { offset, what },
    };
    let len = opened.stat.len;
    if len > most(opened.stat.allocated) {
        let what = "the file's length is out of proportion to the space that it takes";
        return Err(malformed(0, what.to_owned()));
    }
    let Ok(whole) = usize::try_from(len / 8 * 8) else {
        return Err(malformed(0, "the file is too large to be read".to_owned()));
    };
    let bytes = Access::Read(&opened.file).bytes(0, whole);
    let bytes = bytes.map_err(|trouble| match trouble {
        Trouble::Gone => malformed(0, "it has been removed".to_owned()),
        Trouble::Bad(what) => malformed(0, what),
    })?;
    let found = if bytes.first() == Some(&v1::VERSION) {
        v1::fields(&bytes).map(|_| Vec::new())
    } else {
        Header::length(&bytes).map(|header| verify_bytes(&bytes, header))
    };
    let mut found = found.map_err(|first| malformed(first.offset, first.what))?;
    for problem in &mut found {
        problem.what = printable(&problem.what).into_owned();
    }
    Ok(found)
}

/// A walk through a file's bytes.
struct Walk<'a> {
    file: &'a [u8],
    schemas: Vec<(u32, Schema)>,
    /// Where blocks begin, and the numbers of their schemas; ascending.
    blocks: Vec<(usize, usize)>,
    labels: HashSet<String>,
    retired: bool,
    found: Vec<Malformed>,
}

fn verify_bytes(file: &[u8], header: usize) -> Vec<Malformed> {
    let mut walk = Walk {
        file,
        schemas: Vec::new(),
        blocks: Vec::new(),
        labels: HashSet::new(),
        retired: false,
        found: Vec::new(),
    };
    if let Err(problem) = walk
        .header(header)
        .and_then(|end| walk.records(header, end))
    {
        walk.found.push(problem);
    }
    walk.found.truncate(MOST);
    walk.found
}

/// Returns whether values of `size` bytes at `from` begin on a cache line within their record, after its
/// metadata.
fn on_a_line(at: usize, len: usize, metadata: usize, from: usize, size: usize) -> bool {
    from.is_multiple_of(LINE)
        && from >= at + metadata
        && from <= at + len
        && size <= at + len - from
}

fn wrong(at: usize, what: impl Into<String>) -> Malformed {
    Malformed {
        offset: at as u64,
        what: what.into(),
    }
}

impl Walk<'_> {
    /// Checks the header; returns the committed length.
    fn header(&mut self, len: usize) -> Result<usize, Malformed> {
        let Some(header) = self.file.get(..len) else {
            let have = self.file.len();
            return Err(wrong(
                8,
                format!("a header of {len} bytes in a file of {have}"),
            ));
        };
        let decoded = Header::decode(header)?;
        if decoded.model.is_empty() {
            self.found.push(wrong(144, "header: the model has no name"));
        }
        let flags = Bytes::new(&header[12..], 12).u32("the flags")?;
        if flags & !FLAGS_KNOWN != 0 {
            self.found.push(wrong(12, "header: reserved flags"));
        }
        self.zeros(150, 152, "header: reserved bytes");
        let strings = FIXED + decoded.model.len() + decoded.exe.len();
        // A replacement character may be longer than the bytes that it replaces.
        let lossy = [&decoded.model, &decoded.exe]
            .iter()
            .any(|text| text.contains('\u{fffd}'));
        if !lossy && usize::from(u16::from_le_bytes([header[148], header[149]])) == FIXED {
            self.zeros(strings, len, "header: padding after the strings");
        }
        let committed = Bytes::new(&header[COMMITTED..], COMMITTED as u64).u64("committed")?;
        let fits = (len as u64..=self.file.len() as u64).contains(&committed);
        if !fits || committed % 8 != 0 {
            let have = self.file.len();
            return Err(wrong(
                COMMITTED,
                format!(
                    "header: {committed} bytes committed, not a multiple of 8 in {len}..={have}"
                ),
            ));
        }
        Ok(committed as usize)
    }

    fn records(&mut self, mut at: usize, end: usize) -> Result<(), Malformed> {
        while at < end {
            let head = Head::decode(
                &self.file[at..end.min(at + HEAD)],
                at as u64,
                (end - at) as u64,
            )?;
            let record = &self.file[at..at + head.len];
            let body = Bytes::new(&record[HEAD..], (at + HEAD) as u64);
            match head.kind {
                Some(Type::Schema) => self.schema(at, body)?,
                Some(Type::Instance) => self.instance(at, head, record)?,
                Some(Type::Octave) => self.octave(at, head.len, body)?,
                Some(Type::Extent) => self.extent(at, head.len, body)?,
                Some(Type::Note) => drop(Note::decode(body)?),
                Some(Type::Description) => drop(Description::decode(body)?),
                Some(Type::Retired) => {
                    Retired::decode(body)?;
                    self.retired = true;
                }
                None => self.found.push(wrong(
                    at + 4,
                    "a record of a type that this version does not know: readers skip it",
                )),
            }
            at += head.len;
        }
        Ok(())
    }

    fn schema(&mut self, at: usize, body: Bytes<'_>) -> Result<(), Malformed> {
        let (schema, wrong_entries) = Schema::decode(body)?;
        self.found
            .extend(wrong_entries.into_iter().map(|(_, problem)| problem));
        let mut places: Vec<(u32, u32, &str)> = Vec::new();
        for metric in &schema.metrics {
            let label = &metric.label;
            match registry::kind(metric.kind) {
                None => {
                    let code = metric.kind;
                    let what = format!("schema: {label:?} is of the unknown kind {code}: left out");
                    self.found.push(wrong(at, what));
                }
                Some(kind) => {
                    if let Err(problem) = (kind.check)(metric) {
                        self.found
                            .push(wrong(at, format!("schema: {label:?}: {problem}")));
                    }
                }
            }
            let words = 8 * metric.geometry.total_words() as u32;
            places.push((metric.offset, metric.offset + words, label));
        }
        places.sort_unstable();
        for two in places.windows(2).filter(|two| two[1].0 < two[0].1) {
            let what = format!("schema: {:?} and {:?} overlap", two[0].2, two[1].2);
            self.found.push(wrong(at, what));
        }
        self.schemas
            .extend(u32::try_from(at).ok().map(|at| (at, schema)));
        Ok(())
    }

    fn instance(&mut self, at: usize, head: Head, record: &[u8]) -> Result<(), Malformed> {
        let mut body = Bytes::new(&record[HEAD..], (at + HEAD) as u64);
        let (schema, block) = (body.u32("the schema's offset")?, body.u32("the block")?);
        let found = self.schemas.binary_search_by_key(&schema, |(at, _)| *at);
        let Ok(number) = found else {
            let what = format!("instance: no schema at byte {schema} before it");
            return Err(wrong(at + 8, what));
        };
        let size = self.schemas[number].1.block;
        let generation = if head.has_generation { 8 } else { 0 };
        let on_a_line = |metadata: usize| {
            let (metadata, block) = (metadata + generation, block as usize);
            if on_a_line(at, head.len, metadata, block, size as usize) {
                return Ok(());
            }
            let what = format!(
                "instance: a block at bytes {block}+{size}, not on a cache line within its record"
            );
            Err(wrong(at + 12, what))
        };
        on_a_line(24)?;
        let (word, block) = (block as usize - generation, block as usize);
        self.blocks.push((block, number));
        if head.has_generation {
            let mut generation = Bytes::new(&self.file[word..block], word as u64);
            if !is_there(generation.u64("the generation")?) {
                // Removed: the rest of the record means nothing.
                return Ok(());
            }
        }
        let instance = Instance::decode(Bytes::new(&record[HEAD..word - at], (at + HEAD) as u64))?;
        on_a_line(instance.metadata_len())?;
        let schema = &self.schemas[number].1;
        let metadata = at + instance.metadata_len();
        let (prefix, suffix) = (instance.label_prefix(), instance.label_suffix());
        let mut twice = None;
        for metric in &schema.metrics {
            let label = format!("{prefix}{}{suffix}", metric.label);
            if !self.labels.insert(label.clone()) && !self.retired {
                twice = Some(label);
            }
        }
        if let Some(label) = twice {
            let what = format!("instance: duplicate label {label:?}: the first one counts");
            self.found.push(wrong(at, what));
        }
        self.zeros(metadata, word, "instance: padding before the values");
        Ok(())
    }

    fn octave(&mut self, at: usize, len: usize, body: Bytes<'_>) -> Result<(), Malformed> {
        let octave = Octave::decode(body)?;
        let (counts, size) = (
            octave.counts as usize,
            8usize.saturating_mul(octave.len as usize),
        );
        if !on_a_line(at, len, 24, counts, size) {
            let (from, len) = (octave.counts, octave.len);
            let what = format!(
                "octave: {len} counts at byte {from}, not on a cache line within its record"
            );
            return Err(wrong(at + 16, what));
        }
        let Some(metric) = self.owner(octave.owner) else {
            let what = format!("octave: no metric has its place at byte {}", octave.owner);
            self.found.push(wrong(at + 8, what));
            return Ok(());
        };
        let fits = |wanted: OctaveLimits| {
            octave.len as usize == wanted.counts && (octave.octave as usize) < wanted.most
        };
        if !OctaveLimits::of(metric).is_some_and(fits) {
            let (number, len, label) = (octave.octave, octave.len, &metric.label);
            let what = format!("octave: number {number} with {len} counts does not fit {label:?}");
            self.found.push(wrong(at + 12, what));
        }
        Ok(())
    }

    fn extent(&mut self, at: usize, len: usize, body: Bytes<'_>) -> Result<(), Malformed> {
        let extent = Extent::decode(body)?;
        let (values, size) = (extent.values as usize, 8 * extent.shape.total_words());
        if !on_a_line(at, len, extent::FIXED, values, size) {
            let from = extent.values;
            let what = format!(
                "extent: {size} bytes at byte {from}, not on a cache line within its record"
            );
            return Err(wrong(at + 16, what));
        }
        let fits = if extent.owner == 0 {
            extent.shape.is_context()
        } else {
            let extents = self
                .owner(extent.owner)
                .and_then(|metric| registry::kind(metric.kind)?.extents);
            extents.is_some_and(|extents| (extents.is_extent)(extent.shape))
        };
        if !fits {
            let (owner, shape) = (extent.owner, extent.shape);
            let what =
                format!("extent: no metric at byte {owner} has extents of the shape {shape:?}");
            self.found.push(wrong(at + 8, what));
        }
        Ok(())
    }

    /// Returns the metric whose place begins at a byte of the file.
    fn owner(&self, owner: u32) -> Option<&MetricSchema> {
        let owner = owner as usize;
        let number = self.blocks.partition_point(|(block, _)| *block <= owner);
        let (block, schema) = self.blocks[number.checked_sub(1)?];
        let mut metrics = self.schemas[schema].1.metrics.iter();
        metrics.find(|metric| metric.offset as usize == owner - block)
    }

    fn zeros(&mut self, from: usize, to: usize, what: &str) {
        let bytes = self.file.get(from..to).unwrap_or_default();
        if let Some(at) = bytes.iter().position(|&byte| byte != 0) {
            self.found
                .push(wrong(from + at, format!("{what} are not zero")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::*;

    fn found(change: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
        let mut bytes = sample();
        change(&mut bytes);
        let root = Root::new();
        let path = root.write("mmstats-1-1", &bytes);
        let found = match verify(&path) {
            Ok(found) => found,
            Err(Error::Malformed { malformed, .. }) => vec![malformed],
            Err(error) => panic!("{error}"),
        };
        found.iter().map(Malformed::to_string).collect()
    }

    /// Returns a header of 192 bytes, a schema, an instance and one of its octaves.
    fn sample() -> Vec<u8> {
        let schema = schema([counter("a"), text("t"), percentile("p")]);
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "", "group");
        maker.octave(block + schema.metrics[2].offset as usize, 3, &[0; 128]);
        maker.finish()
    }

    #[test]
    fn nothing_is_wrong_with_a_good_file() {
        assert_eq!(found(|_| ()), [""; 0]);
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        for golden in [
            "every-kind",
            "histories",
            "odd-sequence",
            "retired",
            "summaries",
            "v1/all-initial",
        ] {
            let path = manifest
                .join("tests/golden")
                .join(golden)
                .with_extension("mmstats");
            assert_eq!(verify(path).unwrap(), [], "{golden}");
        }
    }

    /// Every change in the fixed part is found, unless nobody can detect it (a text, a number).
    #[test]
    fn every_change_of_structure_is_found() {
        let bytes = sample();
        let schema = 192;
        let at = |what: &[u8]| {
            bytes
                .windows(what.len())
                .position(|extent| extent == what)
                .unwrap()
        };
        let instance = at(b"group") - 24;
        let octave = bytes.len() - 1024 - LINE;
        for (name, place) in [
            ("magic", 1),
            ("header length", 9),
            ("reserved", 13),
            ("incompatible features", 16),
            ("committed", COMMITTED + 3),
            ("padding of the header", 191),
            ("record length", schema + 1),
            ("block length", schema + 9),
            ("a metric's offset", at(b"t\0") - 32 + 9),
            ("the schema's offset", instance + 8),
            ("the block's offset", instance + 12),
            ("padding of the instance", instance + 24 + 5),
            ("the octave's owner", octave + 8),
            ("the octave's number", octave + 14),
            ("the counts' offset", octave + 16),
            ("the number of counts", octave + 20),
        ] {
            let found = found(|bytes| bytes[place] ^= 0x81);
            assert!(!found.is_empty(), "{name}, byte {place}");
        }
    }

    #[test]
    fn a_finding_says_where() {
        let found = found(|bytes| bytes[191] = 7);
        assert_eq!(
            found,
            ["at byte 191: header: padding after the strings are not zero"]
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let bytes = sample();
        for (len, value) in (0..bytes.len()).step_by(29).zip((0..=255).cycle()) {
            found(|bytes| bytes.truncate(len));
            found(|bytes| bytes[len] = value);
        }
    }
}
