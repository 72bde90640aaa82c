//! The totals of many files of one model, as a retired file stores them.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::Arc;

use crate::format::extent::{Extent, Shape};
use crate::format::header::{COMMITTED, Header, OWNER, Owner, OwnerState};
use crate::format::record::{self, Octave};
use crate::format::retired::Retired;
use crate::metric::kind::code;
use crate::reader::contents::{Contents, ReadInstance};
use crate::reader::file::OpenFile;
use crate::reader::identity::Identity;
use crate::reader::plan::Plan;

/// Totals, by schema and identity (prefix, group, labels): instances with the same ones are added word by word.
#[derive(Debug)]
pub struct RetiredTotals {
    header: Header,
    /// What has been folded so far.
    pub retired: Retired,
    entries: Vec<Entry>,
    /// Indexes of entries, by identity and by the address of the plan (which the entry keeps alive).
    index: HashMap<(usize, Arc<Identity>), usize>,
}

/// The totals of one instance.
#[derive(Clone, Debug)]
struct Entry {
    plan: Arc<Plan>,
    identity: Arc<Identity>,
    /// In the reader's layout: for each metric, the published words of its slot, then its plain words.
    words: Vec<u64>,
    /// Counts, by index of the metric and number of the octave.
    octaves: BTreeMap<(usize, u32), Vec<u64>>,
    /// The changing words of cells in extents, by index of the metric and by the words that do not change.
    extents: BTreeMap<usize, BTreeMap<Vec<u64>, Vec<u64>>>,
    /// When the newest of its files was created.
    created: u64,
}

impl RetiredTotals {
    /// Makes empty totals for the model and user of a file with this header.
    pub fn new(of: &Header) -> RetiredTotals {
        RetiredTotals {
            header: Header {
                model: of.model.clone(),
                uid: of.uid,
                gid: of.gid,
                ..Header::default()
            },
            retired: Retired::default(),
            entries: Vec::new(),
            index: HashMap::new(),
        }
    }

    /// Reads the totals of a retired file.
    pub fn of(file: &OpenFile) -> Result<RetiredTotals, String> {
        let mut totals = RetiredTotals::new(&file.header);
        let Some(retired) = &file.contents.retired else {
            return Err("it does not list the files folded into it".to_owned());
        };
        totals.add(file)?;
        totals.retired = Retired::clone(retired);
        Ok(totals)
    }

    /// Returns the name of the model.
    pub fn model(&self) -> &str {
        &self.header.model
    }

    /// Adds all values of a file that nobody writes any more; on an error, which says why, adds none.
    pub fn add(&mut self, file: &OpenFile) -> Result<(), String> {
        let contents = &file.contents;
        check(contents)?;
        let created = file.header.created;
        let mut new = HashMap::new();
        for (_, instance) in contents.there() {
            let key = (
                Arc::as_ptr(&instance.plan) as usize,
                Arc::clone(&instance.identity),
            );
            // If a label appears twice, the first one counts, as for readers.
            if let hash_map::Entry::Vacant(place) = new.entry(key) {
                let next = entry(contents, instance, created);
                let sum = match self.index.get(place.key()) {
                    Some(&index) => self.entries[index].with(next, self.retired.folds)?,
                    None => Entry::nothing(&next).with(next, 0)?,
                };
                place.insert(sum);
            }
        }
        // Nothing can fail from here on.
        for (key, entry) in new {
            match self.index.get(&key) {
                Some(&index) => self.entries[index] = entry,
                None => {
                    self.index.insert(key, self.entries.len());
                    self.entries.push(entry);
                }
            }
        }
        self.header.created = self.header.created.max(created);
        self.retired.folds += 1;
        self.retired.since = self.retired.since.min(file.since());
        Ok(())
    }

    /// Returns the bytes of the retired file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.header.encode();
        let owner = Owner {
            tid: 0,
            state: OwnerState::Ended,
            adoptions: 0,
        };
        out[OWNER..][..8].copy_from_slice(&owner.pack().to_le_bytes());
        out.extend(self.retired.encode());
        // If two versions of a program have a label in common, the first one in the file counts.
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|a, b| {
            let newest_first = b.created.cmp(&a.created);
            newest_first.then_with(|| a.identity.cmp(&b.identity))
        });
        let mut schemas = HashMap::new();
        for entry in entries {
            let schema = *schemas
                .entry(Arc::as_ptr(&entry.plan) as usize)
                .or_insert_with(|| {
                    let at = out.len() as u32;
                    out.extend(&*entry.plan.record);
                    at
                });
            entry.encode(schema, &mut out);
        }
        let len = out.len() as u64;
        out[COMMITTED..][..8].copy_from_slice(&len.to_le_bytes());
        out
    }
}

/// Checks that everything in a file was understood and read consistently, so that nothing of it is lost.
fn check(contents: &Contents) -> Result<(), String> {
    if let Some(problem) = contents.problems.first() {
        return Err(problem.clone());
    }
    let plans = contents.instances.iter().map(|instance| &instance.plan);
    if contents.unknown || plans.clone().any(|plan| !plan.complete) {
        return Err("it has values of a newer mmstats: fold it with that version".to_owned());
    }
    let mut had = contents
        .there()
        .map(|(_, instance)| &contents.values.had[instance.slots..][..instance.plan.slots.len()]);
    if !contents.values.busy.is_empty() || had.any(|had| had.contains(&false)) {
        return Err("it is still being written".to_owned());
    }
    Ok(())
}

/// Returns what a file has for one instance.
fn entry(contents: &Contents, instance: &ReadInstance, created: u64) -> Entry {
    let values = &contents.values.words;
    let mut octaves: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    let mut extents: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let mut words = values[instance.at..][..instance.plan.words].to_vec();
    for extent in instance
        .extents
        .iter()
        .filter(|extent| extent.shape.cells == 1)
    {
        let metric = &instance.plan.metrics[extent.metric];
        let Some((changing, fold)) =
            (metric.kind.extents).and_then(|extents| Some((extents.changing, extents.fold?)))
        else {
            continue;
        };
        // 0: nothing has been published there yet.
        if let Some((1.., cell)) = extent.values(values).split_first()
            && let Some((changing, fixed)) = cell.split_at_checked(changing)
        {
            // Trailing zeros mean nothing, but lengths and flags keep their place.
            let used = fixed.iter().rposition(|word| *word != 0);
            let fixed = &fixed[..used.map_or(0, |last| last + 1).max(fixed.len().min(2))];
            let of_metric: &mut BTreeMap<_, _> = extents.entry(extent.metric).or_default();
            // Two extents with the same meaning are added, as for readers.
            fold(
                &mut words[metric.at..][..metric.words],
                of_metric,
                fixed,
                changing,
            );
        }
    }
    for octave in instance
        .extents
        .iter()
        .filter(|extent| extent.shape.cells == 0)
    {
        if instance.plan.metrics[octave.metric].kind.code == code::WINDOW {
            // A window ends with its process.
            continue;
        }
        let counts = octave.values(values);
        // Two records for one octave: no writer creates them, but a file may contain them, and readers add them.
        match octaves.get_mut(&(octave.metric, octave.number)) {
            Some(sums) => add(sums, counts),
            None => drop(octaves.insert((octave.metric, octave.number), counts.to_vec())),
        }
    }
    Entry {
        plan: Arc::clone(&instance.plan),
        identity: Arc::clone(&instance.identity),
        words,
        octaves,
        extents,
        created,
    }
}

fn add(sums: &mut [u64], counts: &[u64]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

impl Entry {
    /// Makes an empty entry for the instance of another one.
    fn nothing(of: &Entry) -> Entry {
        Entry {
            words: vec![0; of.words.len()],
            octaves: BTreeMap::new(),
            extents: BTreeMap::new(),
            ..of.clone()
        }
    }

    /// Returns the entry with the values of one more file added. `files` is the number of files in it so far.
    fn with(&self, next: Entry, files: u64) -> Result<Entry, String> {
        let mut sum = self.clone();
        for metric in &self.plan.metrics {
            let range = metric.at..metric.at + metric.words;
            let (into, next) = (&mut sum.words[range.clone()], &next.words[range]);
            (metric.kind.fold)(&metric.schema, into, next, files).map_err(|problem| {
                let label = self.identity.label(&metric.schema.label);
                format!("{label}: {problem}")
            })?;
        }
        for (metric, extents) in &next.extents {
            let of = &self.plan.metrics[*metric];
            let Some(fold) = of.kind.extents.and_then(|extents| extents.fold) else {
                continue;
            };
            let words = &mut sum.words[of.at..][..of.words];
            let into = sum.extents.entry(*metric).or_default();
            for (fixed, changing) in extents {
                fold(words, into, fixed, changing);
            }
        }
        for (key, counts) in next.octaves {
            match sum.octaves.get_mut(&key) {
                Some(sums) => add(sums, &counts),
                None => drop(sum.octaves.insert(key, counts)),
            }
        }
        sum.created = self.created.max(next.created);
        Ok(sum)
    }

    /// Appends the records of the instance, its octaves and extents.
    fn encode(&self, schema: u32, out: &mut Vec<u8>) {
        let plan = &*self.plan;
        let mut block = vec![0u64; plan.block as usize / 8];
        for slot in &plan.slots {
            // The first publication.
            block[slot.from] = 2;
            block[slot.buffer(1)..][..slot.words]
                .copy_from_slice(&self.words[slot.to..][..slot.words]);
        }
        for run in &plan.runs {
            block[run.from..][..run.words].copy_from_slice(&self.words[run.to..][..run.words]);
        }
        let instance = record::Instance {
            schema,
            block: 0,
            prefix: self.identity.prefix.to_string(),
            group: self.identity.group.to_string(),
            labels: self.identity.labels.clone(),
        };
        let placed = instance.encode(out.len(), block.len(), None);
        let at = placed.values;
        append(out, placed, &block);
        for ((metric, octave), counts) in &self.octaves {
            let octave = Octave {
                owner: at as u32 + plan.metrics[*metric].schema.offset,
                octave: *octave,
                counts: 0,
                len: counts.len() as u32,
            };
            let placed = octave.encode(out.len());
            append(out, placed, counts);
        }
        for (metric, extents) in &self.extents {
            let owner = at as u32 + plan.metrics[*metric].schema.offset;
            for (number, (fixed, changing)) in (0..).zip(extents) {
                let cell = [&changing[..], fixed].concat();
                let extent = Extent {
                    owner,
                    number,
                    values: 0,
                    shape: Shape {
                        cells: 1,
                        buffers: 2,
                        words: cell.len() as u16,
                        plain: 0,
                    },
                };
                // The first publication, in the second buffer.
                let nothing = vec![0; cell.len()];
                let values = [&[2], &nothing[..], &cell].concat();
                let placed = extent.encode(out.len());
                append(out, placed, &values);
            }
        }
    }
}

fn append(out: &mut Vec<u8>, placed: record::PlacedRecord, values: &[u64]) {
    out.extend(placed.metadata);
    out.resize(placed.values, 0);
    out.extend(values.iter().flat_map(|word| word.to_le_bytes()));
    out.resize(placed.end, 0);
}
