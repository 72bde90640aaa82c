//! Families: turns the series of models into the contents of a Prometheus page, independent of its format.
//!
//! A family is all samples of one name. Its name, type, unit and help are written once. A server rejects the page, or
//! loses samples, if two families share a name. So names are assigned here, once for all formats:
//! - A family that has the name of another with a different type, or whose samples would have a name of another
//!   family (`x_count` beside the histogram `x`), gets the kind of its series as a suffix.
//! - Points of one family with the same labels are distinguished by the labels `label`, `model` and `path`, whichever
//!   differ.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use super::bounds;
use super::disambiguate::{HasLabels, Origin, disambiguate};
use super::names;
use super::native::Exponential;
use crate::format::scalar::Number;
use crate::reader::{Histogram, Model, Reading, Sample, Series};

/// The families of a page, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Families {
    families: Vec<Family>,
    /// By requested name and type.
    index: HashMap<(String, Type), usize>,
    /// The names of all samples of all families.
    taken: HashSet<String>,
    /// Whether histograms also have exponential buckets.
    native: bool,
}

/// All samples of one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the `_total` of a counter or the `_info` of an info.
    pub name: String,
    pub kind: Type,
    /// The end of the name; empty if there is no unit.
    pub unit: String,
    pub help: String,
    pub points: Vec<FamilyPoint>,
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Counter,
    Gauge,
    Info,
    Histogram,
    Summary,
}

/// One label set of a family, with its value.
#[derive(Debug)]
pub(super) struct FamilyPoint {
    pub labels: Vec<(String, String)>,
    pub value: PointValue,
    /// The time from which it counts.
    pub since: Option<SystemTime>,
    /// The label text of its series, the model and the path.
    origin: [String; 3],
}

impl HasLabels for FamilyPoint {
    type Label = (String, String);

    fn labels(&self) -> &[Self::Label] {
        &self.labels
    }

    fn origin(&self) -> Origin<'_> {
        let [label, model, path] = &self.origin;
        Origin {
            label,
            model,
            path: Path::new(path),
        }
    }

    fn add_label(&mut self, key: &str, value: &str) {
        push_label(&mut self.labels, key, value);
    }
}

#[derive(Debug)]
pub(super) enum PointValue {
    /// The value of a counter or a gauge; 1 for an info.
    Number(Number),
    Histogram(Box<HistogramPoint>),
    Summary {
        count: u64,
        sum: f64,
    },
}

#[derive(Debug)]
pub(super) struct HistogramPoint {
    pub sum: f64,
    /// Whether any value is negative, so that the sum is not a counter.
    pub has_negative: bool,
    /// Upper bounds, ascending, each with the count of values up to it.
    pub buckets: Vec<(f64, u64)>,
    pub native: Option<Exponential>,
    /// Ascending.
    pub exemplars: Vec<TraceExemplar>,
}

/// A value with a trace id.
#[derive(Debug)]
pub(super) struct TraceExemplar {
    pub value: f64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    pub trace: String,
}

/// Maximum number of characters of a trace id: OpenMetrics allows 128 for the names and values of an exemplar's
/// labels.
const TRACE_MOST: usize = 128 - TRACE.len();
/// The label of an exemplar.
pub(super) const TRACE: &str = "trace_id";

fn exemplars(histogram: &Histogram<'_>) -> Vec<TraceExemplar> {
    let mut all = Vec::new();
    histogram.each_exemplar(|value, time, context| {
        let trace = context.text();
        if !context.is_cut() && trace.chars().count() <= TRACE_MOST {
            let trace = trace.into_owned();
            all.push(TraceExemplar { value, time, trace });
        }
    });
    all
}

impl HistogramPoint {
    /// Returns the sum of the buckets.
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |&(_, count)| count)
    }

    /// Returns the exemplar of the bucket that ends at a bound: the latest, if there are several.
    pub fn exemplar(&self, below: f64, bound: f64) -> Option<&TraceExemplar> {
        let of_bucket =
            (self.exemplars.iter()).filter(|one| below < one.value && one.value <= bound);
        of_bucket.max_by_key(|one| one.time)
    }
}

impl Type {
    /// Returns its name in text formats.
    pub fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Info => "info",
            Type::Histogram => "histogram",
            Type::Summary => "summary",
        }
    }

    /// Returns the suffixes that samples may have after the family's name.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Type::Counter => &["_total", "_created"],
            Type::Gauge => &[],
            Type::Info => &["_info"],
            Type::Histogram => &["_bucket", "_count", "_sum", "_created"],
            Type::Summary => &["_count", "_sum", "_created"],
        }
    }

    /// Returns all names that a family of this type takes. Samples without a suffix are a separate family in text
    /// 0.0.4.
    fn names(self, family: &str) -> impl Iterator<Item = String> {
        let suffixed = self.suffixes().iter();
        std::iter::once(family.to_owned()).chain(suffixed.map(move |end| format!("{family}{end}")))
    }
}

/// A request for a family.
struct FamilySpec<'a> {
    name: String,
    kind: Type,
    /// The kind of the series: the suffix if the name is taken.
    series: &'static str,
    unit: &'a str,
    help: &'a dyn Fn() -> String,
}

impl Families {
    /// Makes an empty list. With `native`, histograms have exponential buckets beside the classic ones.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// use mmstats::export::{Families, TextFormat};
    ///
    /// let mut families = Families::new(false);
    /// for model in snapshot.models() {
    ///     families.add_model(model, "", &[]);
    /// }
    /// assert!(!TextFormat::PROMETHEUS.page(families).is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn new(native: bool) -> Families {
        Families {
            native,
            ..Families::default()
        }
    }

    /// Adds the series of a model, each with additional `labels` (for example those of its process). `path` is where
    /// it was read.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// use mmstats::export::{Families, TextFormat};
    ///
    /// let mut families = Families::new(false);
    /// let process = ("pid", "812".to_owned());
    /// families.add_model(&snapshot.models()[0], "", &[process]);
    /// assert!(TextFormat::PROMETHEUS.page(families).contains("pid=\"812\""));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn add_model(&mut self, model: &Model, path: &str, labels: &[(&str, String)]) {
        for series in model.series() {
            self.add(model.name(), model.export(), path, series, labels);
        }
    }

    /// Adds a series of a model.
    pub(crate) fn add(
        &mut self,
        model: &str,
        export: &str,
        path: &str,
        series: &Series,
        labels: &[(&str, String)],
    ) {
        let own = own_labels(series, labels);
        series.value().samples(series.unit(), |sample| {
            if sample.is_exported {
                let origin = [series.label(), model, path];
                self.add_sample(export, series, &sample, &own, origin);
            }
        });
    }

    fn add_sample(
        &mut self,
        export: &str,
        series: &Series,
        sample: &Sample<'_>,
        own: &[(String, String)],
        origin: [&str; 3],
    ) {
        let [_, model, _] = origin;
        // Parts that differ in a label have no name of their own.
        let part = match sample.label {
            Some(_) => "",
            None => sample.part,
        };
        // The only part name with a capital letter in its middle.
        let part = if part == "StdDev" { "stddev" } else { part };
        // Names from the facade are kept as they are.
        let name = names::family(
            &[export, series.prefix(), series.metric(), part],
            !export.is_empty(),
        );
        let mut labels = own.to_vec();
        let (kind, value) = match sample.reading {
            Reading::Cumulative(number) => (Type::Counter, PointValue::Number(number)),
            Reading::Sum(number) | Reading::Level(number) => {
                (Type::Gauge, PointValue::Number(number))
            }
            Reading::Flag(flag) => (
                Type::Gauge,
                PointValue::Number(Number::Int(i128::from(flag))),
            ),
            Reading::Text(text) => {
                push_label(&mut labels, &names::snake_case(series.metric()), text);
                (Type::Info, PointValue::Number(Number::Int(1)))
            }
            Reading::Summary { count, sum } => (Type::Summary, PointValue::Summary { count, sum }),
            Reading::Histogram(histogram) => {
                let point = HistogramPoint {
                    sum: histogram.sum(),
                    has_negative: histogram.min().is_some_and(|min| min < 0.0),
                    buckets: bounds::classic(&histogram),
                    native: self.native.then(|| Exponential::of(&histogram)),
                    exemplars: exemplars(&histogram),
                };
                (Type::Histogram, PointValue::Histogram(Box::new(point)))
            }
        };
        if let Some(key) = sample.label {
            push_label(&mut labels, key, sample.part);
        }
        let unit = if kind == Type::Info { "" } else { sample.unit };
        let help = || {
            let mut help = match series.help() {
                "" if series.metric().is_empty() => {
                    format!("A {} of {model}.", series.kind())
                }
                "" => format!("The {} {} of {model}.", series.kind(), series.metric()),
                help => help.to_owned(),
            };
            if !unit.is_empty() && !names::is_suffix(unit) {
                help.push_str(&format!(" Unit: {unit}."));
            }
            help
        };
        let family = self.family(FamilySpec {
            name,
            kind,
            series: series.kind(),
            unit,
            help: &help,
        });
        self.families[family].points.push(FamilyPoint {
            labels,
            value,
            since: Some(series.since()),
            origin: origin.map(str::to_owned),
        });
    }

    /// Adds a number that is not a series: one of the agent, or of a process.
    #[cfg(feature = "serve")]
    pub(crate) fn add_number(
        &mut self,
        name: &str,
        (is_counter, unit): (bool, &str),
        help: &str,
        labels: &[(&str, String)],
        value: Number,
    ) {
        let family = self.family(FamilySpec {
            name: name.to_owned(),
            kind: if is_counter {
                Type::Counter
            } else {
                Type::Gauge
            },
            series: "process",
            unit,
            help: &|| help.to_owned(),
        });
        let labels = labels.iter();
        self.families[family].points.push(FamilyPoint {
            labels: labels
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
            value: PointValue::Number(value),
            since: None,
            origin: [name, "", ""].map(str::to_owned),
        });
    }

    /// Returns the index of the family, which is made if it is new.
    fn family(&mut self, wanted: FamilySpec<'_>) -> usize {
        let FamilySpec {
            mut name,
            kind,
            series,
            unit,
            help,
        } = wanted;
        let end = match kind {
            Type::Counter => "_total",
            Type::Info => "_info",
            _ => "",
        };
        let base = name.strip_suffix(end).filter(|base| !base.is_empty());
        name = base.map_or(name.clone(), str::to_owned);
        let unit = if names::is_suffix(unit) { unit } else { "" };
        if !unit.is_empty() && name != unit && !name.ends_with(&format!("_{unit}")) {
            name = format!("{name}_{unit}");
        }
        let key = (name, kind);
        if let Some(&family) = self.index.get(&key) {
            return family;
        }
        let name = self.free_name(&key.0, kind, series, unit);
        self.taken.extend(kind.names(&name));
        // A name that consists of the unit only, or that was changed to avoid a clash, has no unit.
        let unit = if name.ends_with(&format!("_{unit}")) {
            unit
        } else {
            ""
        };
        self.families.push(Family {
            name,
            kind,
            unit: unit.to_owned(),
            help: help(),
            points: Vec::new(),
        });
        let family = self.families.len() - 1;
        self.index.insert(key, family);
        family
    }

    /// Returns the name. If another family has it, the kind of the series is inserted before the unit, and a number
    /// too if that name is also taken.
    fn free_name(&self, name: &str, kind: Type, series: &str, unit: &str) -> String {
        let is_free = |name: &str| !kind.names(name).any(|name| self.taken.contains(&name));
        if is_free(name) {
            return name.to_owned();
        }
        let end = if unit.is_empty() {
            String::new()
        } else {
            format!("_{unit}")
        };
        let base = name.strip_suffix(&end).unwrap_or(name);
        let numbers = (2..).map(|n| format!("{base}_{series}_{n}{end}"));
        std::iter::once(format!("{base}_{series}{end}"))
            .chain(numbers)
            .find(|name| is_free(name))
            .expect("names do not run out")
    }

    /// Returns the families, whose points now have distinct labels.
    pub(super) fn into_families(mut self) -> Vec<Family> {
        for family in &mut self.families {
            disambiguate(&mut family.points);
        }
        self.families
    }
}

/// Returns the labels of a series: those of its process first, then the group's. A repeated name is changed.
fn own_labels(series: &Series, more: &[(&str, String)]) -> Vec<(String, String)> {
    let more = more.iter();
    let mut labels: Vec<(String, String)> = more
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    if let Some(group) = series.group() {
        push_label(&mut labels, series.group_label(), group);
    }
    for (key, value) in series.labels() {
        push_label(&mut labels, key, value);
    }
    labels
}

/// Adds a label, renamed if its name is already taken.
fn push_label(labels: &mut Vec<(String, String)>, key: &str, value: &str) {
    let key = names::label_name(key);
    let is_there = |key: &str| labels.iter().any(|(name, _)| name == key);
    let exported = format!("exported_{key}");
    let numbered = (2..).map(|n| format!("{key}_{n}"));
    let mut names = std::iter::once(key.clone())
        .chain(std::iter::once(exported))
        .chain(numbered);
    let key = names
        .find(|key| !is_there(key))
        .expect("names do not run out");
    labels.push((key, value.to_owned()));
}
