//! The metrics of a recorder, found by what they are in the files, whatever the order of their labels.
//!
//! There is no lock: a fork could catch it held, and an allocator that counts would enter it again.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use metrics::{Key, Unit};

use crate::format::bytes::{TEXT_MOST, cut};
use crate::format::description as format;
use crate::format::labels::{LABELS_MOST, Labels};
use crate::metric::kind::code;
use crate::shared::{Home, Level, Number, OTHER, Spec, all_other, describe, end_cells};
use crate::sync::told_before_looking;
use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::{AppendList, AppendTable};
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::process::clock;
use crate::writer::{valid_label, valid_label_text};
use crate::{Counter, Percentile};

/// The most bytes of a name, so that a kind may follow.
const NAME_MOST: usize = 1000;

/// The most descriptions that are kept for a name and a kind; of these the latest counts. More come only from a program
/// that describes without end.
const DESCRIPTIONS: usize = 16;

/// The kinds of metrics of the facade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
}

impl Kind {
    /// The suffix of a name that belongs to another kind.
    fn text(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A name, and its descriptions.
#[derive(Debug)]
struct Name {
    text: String,
    /// The kind that has the name unchanged: that of the first metric. 0: there is none yet.
    first: AtomicU8,
    /// The descriptions for each kind, the latest first.
    described: [AppendList<Description>; 3],
}

#[derive(Debug, PartialEq)]
struct Description {
    unit: &'static str,
    help: String,
}

impl Name {
    fn new(text: &str) -> Arc<Name> {
        Arc::new(Name {
            text: text.to_owned(),
            first: AtomicU8::new(0),
            described: [const { AppendList::new() }; 3],
        })
    }

    fn described(&self, kind: Kind) -> &AppendList<Description> {
        &self.described[kind as usize - 1]
    }

    /// Returns the label of a metric of this kind.
    fn label(&self, kind: Kind) -> String {
        // Relaxed: nothing depends on it but the byte itself.
        let first =
            (self.first).compare_exchange(0, kind as u8, Ordering::Relaxed, Ordering::Relaxed);
        match first {
            Err(first) if first != kind as u8 => format!("{}.{}", self.text, kind.text()),
            _ => self.text.clone(),
        }
    }
}

/// What identifies a metric in the files.
#[derive(Debug)]
pub struct FileEntry {
    home: &'static Home,
    name: Arc<Name>,
    kind: Kind,
    label: String,
    labels: Labels,
}

impl FileEntry {
    /// Returns the specification, with the description that is known by now.
    pub fn spec(&self) -> Spec {
        // `label` has set `first` before this. See `describe_again`.
        told_before_looking();
        let described = self.name.described(self.kind).iter().next();
        let (unit, help) =
            described.map_or(("", ""), |described| (described.unit, &described.help));
        Spec {
            home: self.home,
            kind: self.kind.text(),
            metric: self.label.clone(),
            unit: unit.to_owned(),
            help: help.to_owned(),
            labels: self.labels.clone(),
            other: all_other(&self.labels),
        }
    }
}

/// A metric of the recorder, and where its values are.
#[derive(Debug)]
pub struct RecordedMetric {
    pub entry: Arc<FileEntry>,
    pub cells: Cells,
}

/// Where its values are.
#[derive(Debug)]
pub enum Cells {
    Counter(Number<Counter>),
    Gauge(Arc<Level>),
    Histogram(Number<Percentile<f64>>),
}

/// All metrics of a recorder.
pub struct Registry {
    /// The number of its home, which each use of a macro reads.
    number: u32,
    home: &'static Home,
    hasher: RandomState,
    names: AppendTable<Arc<Name>>,
    metrics: AppendTable<RecordedMetric>,
    /// The most names, the most metrics, and the most metrics that are `_other`.
    most: usize,
    names_made: AtomicUsize,
    metrics_made: AtomicUsize,
    others_made: AtomicUsize,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("model", &self.model())
            .field("metrics", &self.metrics_made)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Returns a registry without metrics.
    pub fn new(home: &'static Home, most: usize) -> Registry {
        Registry {
            number: home.number,
            home,
            hasher: hashing::random_state(),
            names: AppendTable::new(),
            metrics: AppendTable::new(),
            most,
            names_made: AtomicUsize::new(0),
            metrics_made: AtomicUsize::new(0),
            others_made: AtomicUsize::new(0),
        }
    }

    /// Returns the number that tells it from all others.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the model's name.
    pub fn model(&self) -> &str {
        self.home.builder.name()
    }

    /// Returns the most metrics that it may have.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Stores a description of a name. The latest one counts.
    pub fn describe(&self, kind: Kind, name: &str, unit: Option<Unit>, help: &str) {
        let Some(name) = self.name(&valid_label_text(name, NAME_MOST)) else {
            return;
        };
        let description = Description {
            unit: unit.map_or("", |unit| unit.as_str()),
            help: cut(help, TEXT_MOST).to_owned(),
        };
        let described = name.described(kind);
        if described.iter().next() != Some(&description)
            && described.iter().take(DESCRIPTIONS).count() < DESCRIPTIONS
        {
            described.push_unless(description, |_, _| false);
            self.describe_again(name, kind);
        }
    }

    /// Writes the description to a file, for metrics of the name that are in files already.
    fn describe_again(&self, name: &Name, kind: Kind) {
        // A thread that makes a metric of the name sets `first`, and then reads the description (`spec`). This thread
        // has stored the description, and now reads `first`. So either the metric is made with the description, or this
        // thread sees `first`. A thread that has the metric from another one sees `first` through that.
        told_before_looking();
        if name.first.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(said) = name.described(kind).iter().next() else {
            return;
        };
        let description = format::Description {
            time: clock::unix_nanos(),
            kind: match kind {
                Kind::Counter => code::COUNTER,
                Kind::Gauge => code::GAUGE,
                Kind::Histogram => code::FLOAT_PERCENTILE,
            },
            label: self.label(name, kind),
            unit: said.unit.to_owned(),
            help: said.help.clone(),
        };
        if !describe(self.home, &description) {
            let text = format_args!(
                "no space for a description of {:?}: readers keep showing the previous one",
                name.text
            );
            report::once(self.model(), "descriptions", &text);
        }
    }

    /// Returns the label of metrics of a name and a kind.
    fn label(&self, name: &Name, kind: Kind) -> String {
        let label = name.label(kind);
        match name.text.as_str() {
            // This is also the label of metrics for which a full file has no space.
            OTHER => self.home.other(kind.text()),
            _ => label,
        }
    }

    /// Returns the metric of a key, made if it is new, and whether it is the key's own rather than `_other`.
    pub fn metric(&self, kind: Kind, key: &Key) -> (&RecordedMetric, bool) {
        let name = valid_label_text(key.name(), NAME_MOST);
        let labels = labels(key);
        if let Some(known) = self.find(kind, &name, &labels) {
            return (known, true);
        }
        let known_name = self.name(&name);
        if let Some(name) = known_name
            && take(&self.metrics_made, self.most)
        {
            return (self.make(kind, name, labels), true);
        }
        let labels = all_other(&labels);
        if let Some(name) = known_name.filter(|_| !labels.is_empty()) {
            if let Some(known) = self.find(kind, &name.text, &labels) {
                return (known, false);
            }
            if take(&self.others_made, self.most) {
                return (self.make(kind, name, labels), false);
            }
        }
        let other = self.find(kind, OTHER, &[]);
        let other = other.unwrap_or_else(|| {
            let hash = self.hasher.hash_one(OTHER);
            let is = |name: &Arc<Name>| name.text == OTHER;
            let name = self.names.find_or_push(hash, is, Name::new(OTHER));
            self.make(kind, name, Labels::new())
        });
        (other, false)
    }

    /// Ends the metrics of a key in all threads of this process. Returns whether there was one.
    pub fn end(&self, key: &Key) -> bool {
        let name = valid_label_text(key.name(), NAME_MOST);
        let labels = labels(key);
        let mut any = false;
        for kind in [Kind::Counter, Kind::Gauge, Kind::Histogram] {
            any |= match self.find(kind, &name, &labels).map(|metric| &metric.cells) {
                Some(Cells::Counter(number)) => end_cells(*number),
                Some(Cells::Gauge(level)) => level.end(),
                Some(Cells::Histogram(number)) => end_cells(*number),
                None => false,
            };
        }
        any
    }

    /// Returns a name, made if it is new and there may be one more.
    fn name(&self, text: &str) -> Option<&Arc<Name>> {
        let hash = self.hasher.hash_one(text);
        let is = |name: &Arc<Name>| name.text == text;
        if let Some(known) = self.names.find(hash, is) {
            return Some(known);
        }
        take(&self.names_made, self.most)
            .then(|| self.names.find_or_push(hash, is, Name::new(text)))
    }

    fn hash(&self, kind: Kind, name: &str, labels: &[(String, String)]) -> u64 {
        self.hasher.hash_one((kind, name, labels))
    }

    fn find(&self, kind: Kind, name: &str, labels: &[(String, String)]) -> Option<&RecordedMetric> {
        let hash = self.hash(kind, name, labels);
        (self.metrics).find(hash, |metric| metric.entry.is(kind, name, labels))
    }

    fn make(&self, kind: Kind, name: &Arc<Name>, labels: Labels) -> &RecordedMetric {
        let hash = self.hash(kind, &name.text, &labels);
        let model = self.model();
        let entry = Arc::new(FileEntry {
            home: self.home,
            name: name.clone(),
            kind,
            label: self.label(name, kind),
            labels: labels.clone(),
        });
        let metric = RecordedMetric {
            entry,
            cells: match kind {
                Kind::Counter => Cells::Counter(Number::new(model)),
                Kind::Gauge => Cells::Gauge(Arc::new(Level::new())),
                Kind::Histogram => Cells::Histogram(Number::new(model)),
            },
        };
        let is = |metric: &RecordedMetric| metric.entry.is(kind, &name.text, &labels);
        self.metrics.find_or_push(hash, is, metric)
    }
}

impl FileEntry {
    fn is(&self, kind: Kind, name: &str, labels: &[(String, String)]) -> bool {
        self.kind == kind && self.name.text == name && self.labels == labels
    }
}

/// Takes one of `most`, if one is left. (Two threads that make the same metric at once may take two.)
fn take(made: &AtomicUsize, most: usize) -> bool {
    // Relaxed: nothing depends on it but the number itself.
    made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
        (made < most).then_some(made + 1)
    })
    .is_ok()
}

/// Returns the labels of a key, made valid and sorted by key. Of two values for one key the later one counts.
fn labels(key: &Key) -> Labels {
    let mut labels = Labels::new();
    for label in key.labels() {
        let (key, value) = valid_label(label.key(), label.value());
        match labels.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(index) => labels[index].1 = value,
            Err(index) if labels.len() < LABELS_MOST => labels.insert(index, (key, value)),
            // A group cannot have more labels.
            Err(_) => {}
        }
    }
    labels
}
