//! Converts the series of a resource to metrics with points.
//!
//! A metric is called `<prefix>.<metric>`, spelled as in the model. Its unit is a field; the group and the labels are
//! attributes. A receiver takes points of one metric with equal attributes for one point, and two types of one name
//! for an error. So points with equal attributes get additional ones, and a second type of a name gets its type as a
//! suffix.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use super::distribution;
use super::message::{ExponentialPoint, HistogramPoint};
use super::resource::unix_nanos;
use super::units;
use crate::export::disambiguate::{HasLabels, Origin, disambiguate};
use crate::export::snake_case;
use crate::format::scalar::Number;
use crate::reader::{Reading, Sample, Series};
use crate::sys::memory::hashing::{RandomState, random_state};

/// The metrics of one resource. Most need a single allocation, for a text: there is one for each series, and each
/// push makes them anew.
#[derive(Debug)]
pub struct Metrics<'a> {
    metrics: Vec<Metric<'a>>,
    /// The points of all metrics.
    points: Vec<Point<'a>>,
    names: HashMap<Rc<str>, usize, RandomState>,
    /// The name that is being made.
    name: String,
    /// Whether distributions have exponential buckets.
    exponential: bool,
}

/// A name and its description.
#[derive(Debug)]
pub struct Metric<'a> {
    pub name: Rc<str>,
    /// The length of the requested name; the rest distinguishes it from another metric.
    wanted: usize,
    pub kind: Type,
    pub unit: String,
    pub help: &'a str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A monotonic sum.
    Counter,
    /// A sum that may fall.
    Sum,
    Gauge,
    Histogram,
    Exponential,
    Summary,
}

/// One set of attributes, with its value.
#[derive(Debug)]
pub struct Point<'a> {
    /// The index of its metric.
    metric: usize,
    pub attributes: Attributes<'a>,
    pub value: PointValue,
    /// The time from which it counts: nanoseconds since 1970-01-01 UTC.
    pub since: u64,
    origin: Origin<'a>,
}

/// Keys and values.
type Attributes<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

#[derive(Debug)]
pub enum PointValue {
    Number(Number),
    Histogram(Box<HistogramPoint>),
    Exponential(Box<ExponentialPoint>),
    Summary { count: u64, sum: f64 },
}

impl<'a> HasLabels for Point<'a> {
    type Label = (Cow<'a, str>, Cow<'a, str>);

    fn labels(&self) -> &[Self::Label] {
        &self.attributes
    }

    fn origin(&self) -> Origin<'_> {
        self.origin
    }

    fn add_label(&mut self, key: &str, value: &str) {
        let value = Cow::Owned(value.to_owned());
        push_attribute(&mut self.attributes, key.to_owned().into(), value);
    }
}

impl Type {
    /// Returns the type as a suffix of names.
    fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Sum => "updown",
            Type::Gauge => "gauge",
            Type::Histogram | Type::Exponential => "histogram",
            Type::Summary => "summary",
        }
    }
}

impl<'a> Metrics<'a> {
    /// Makes an empty list with space for about `series` series.
    pub fn new(exponential: bool, series: usize) -> Metrics<'a> {
        Metrics {
            metrics: Vec::with_capacity(series),
            points: Vec::with_capacity(series),
            names: HashMap::with_capacity_and_hasher(series, random_state()),
            name: String::new(),
            exponential,
        }
    }

    /// Adds a series. `export` is the prefix of its model's names, and `path` is where it was read.
    pub fn add(&mut self, (model, export, path): (&'a str, &str, &'a Path), series: &'a Series) {
        let of = SeriesCommon {
            series,
            export,
            origin: Origin {
                label: series.label(),
                model,
                path,
            },
            attributes: attributes(series),
            since: unix_nanos(series.since()),
        };
        let (mut summary, mut has_negative) = (None, false);
        series.value().samples(series.unit(), |sample| {
            match (sample.part, sample.reading) {
                ("Min", Reading::Level(min)) => has_negative = min.as_f64() < 0.0,
                // Added below, when it is known whether its sum may fall.
                ("", Reading::Summary { count, sum }) => {
                    summary = Some((count, sum));
                    return;
                }
                _ => {}
            }
            if sample.is_exported {
                self.add_sample(&of, &sample);
            }
        });
        let Some((count, sum)) = summary else {
            return;
        };
        let mut add = |part, unit, reading| {
            let sample = Sample {
                part,
                label: None,
                unit,
                reading,
                is_exported: true,
            };
            self.add_sample(&of, &sample);
        };
        if has_negative {
            // The sum of a summary may not fall. So count and sum are two metrics.
            let total = Reading::Cumulative(Number::Int(count.into()));
            add("count", "", total);
            add("sum", series.unit(), Reading::Sum(Number::Float(sum)));
        } else {
            add("", series.unit(), Reading::Summary { count, sum });
        }
    }

    fn add_sample(&mut self, of: &SeriesCommon<'a, '_>, sample: &Sample<'_>) {
        let mut attributes = of.attributes.clone();
        let owned = |text: &str| Cow::Owned(text.to_owned());
        let number = |kind, number| (kind, PointValue::Number(number));
        let (kind, value) = match sample.reading {
            Reading::Cumulative(count) => number(Type::Counter, count),
            Reading::Sum(sum) => number(Type::Sum, sum),
            Reading::Level(level) => number(Type::Gauge, level),
            Reading::Flag(flag) => number(Type::Gauge, Number::Int(flag.into())),
            Reading::Text(text) => {
                let key = match of.series.metric() {
                    "" => "text",
                    metric => metric,
                };
                push_attribute(&mut attributes, key.into(), owned(text));
                number(Type::Gauge, Number::Int(1))
            }
            Reading::Summary { count, sum } => (Type::Summary, PointValue::Summary { count, sum }),
            Reading::Histogram(histogram) if self.exponential => {
                let point = Box::new(distribution::exponential(&histogram));
                (Type::Exponential, PointValue::Exponential(point))
            }
            Reading::Histogram(histogram) => {
                let point = Box::new(distribution::explicit(&histogram));
                (Type::Histogram, PointValue::Histogram(point))
            }
        };
        let part = match sample.label {
            Some(key) => {
                push_attribute(&mut attributes, key.into(), owned(sample.part));
                Cow::Borrowed("")
            }
            None => part_name(sample.part),
        };
        let series = of.series;
        let parts = [of.export, series.prefix(), series.metric(), &part];
        write_name(&parts, &mut self.name);
        let metric = self.metric(kind, units::ucum(sample.unit), series.help());
        self.points.push(Point {
            metric,
            attributes,
            value,
            since: of.since,
            origin: of.origin,
        });
    }

    /// Returns the index of the metric for this `name`, which is made if it is new. If the name is taken, it gets its
    /// type as a suffix, and then a number.
    fn metric(&mut self, kind: Type, unit: &str, help: &'a str) -> usize {
        let wanted = self.name.len();
        for number in 0.. {
            match number {
                0 => {}
                1 => {
                    self.name.push('.');
                    self.name.push_str(kind.name());
                }
                _ => {
                    let plain = wanted + 1 + kind.name().len();
                    self.name.truncate(plain);
                    self.name.push_str(&format!(".{number}"));
                }
            }
            let Some(&at) = self.names.get(&*self.name) else {
                break;
            };
            let metric = &self.metrics[at];
            if (metric.wanted, metric.kind, &*metric.unit) == (wanted, kind, unit) {
                return at;
            }
        }
        let name: Rc<str> = self.name.as_str().into();
        let at = self.metrics.len();
        self.metrics.push(Metric {
            name: Rc::clone(&name),
            wanted,
            kind,
            unit: unit.to_owned(),
            help,
        });
        self.names.insert(name, at);
        at
    }

    /// Calls `each` with the metrics and their points, whose attributes are now distinct.
    pub fn each(mut self, mut each: impl FnMut(&Metric<'a>, &[Point<'a>])) {
        // The sort is stable, and the points are nearly always sorted already.
        self.points.sort_by_key(|point| point.metric);
        for points in (self.points).chunk_by_mut(|one, next| one.metric == next.metric) {
            disambiguate(points);
            each(&self.metrics[points[0].metric], points);
        }
    }
}

/// The data that all samples of a series have in common.
struct SeriesCommon<'a, 'b> {
    series: &'a Series,
    export: &'b str,
    origin: Origin<'a>,
    attributes: Attributes<'a>,
    since: u64,
}

/// Writes the nonempty parts, separated by dots.
fn write_name(parts: &[&str], name: &mut String) {
    name.clear();
    for part in parts {
        let part = part.trim_matches('.');
        if part.is_empty() {
            continue;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(part);
    }
    if name.is_empty() {
        name.push_str("unnamed");
    }
}

/// Returns the name of a part: our own names (`Min`, `StdDev`) in lower case, those of fields unchanged.
fn part_name(part: &str) -> Cow<'_, str> {
    match part {
        "StdDev" => "stddev".into(),
        _ if part.starts_with(|c: char| c.is_ascii_uppercase()) => snake_case(part).into(),
        _ => part.into(),
    }
}

/// Returns the group or the labels of a series.
fn attributes(series: &Series) -> Attributes<'_> {
    let mut attributes = Vec::new();
    if let Some(group) = series.group() {
        push_attribute(&mut attributes, series.group_label().into(), group.into());
    }
    for (key, value) in series.labels() {
        push_attribute(&mut attributes, key.into(), value.into());
    }
    attributes
}

/// Adds an attribute. A key that is taken or empty is renamed, since keys must be unique.
fn push_attribute<'a>(attributes: &mut Attributes<'a>, key: Cow<'a, str>, value: Cow<'a, str>) {
    let key = if key.is_empty() { "label".into() } else { key };
    let is_taken = |key: &str| attributes.iter().any(|(there, _)| there == key);
    let key = if is_taken(&key) {
        let mut numbered = (2..).map(|n| format!("{key}.{n}"));
        let free = numbered.find(|key| !is_taken(key));
        free.expect("names do not run out").into()
    } else {
        key
    };
    attributes.push((key, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_dot_between_two_parts() {
        let name = |parts: &[&str]| {
            let mut name = "another".to_owned();
            write_name(parts, &mut name);
            name
        };
        assert_eq!(
            name(&["my-app", "", "timers.response", ""]),
            "my-app.timers.response"
        );
        assert_eq!(
            name(&["my-app", "web.", "pool", "open"]),
            "my-app.web.pool.open"
        );
        assert_eq!(name(&["", "", "requests", ""]), "requests");
        assert_eq!(name(&["", "", "", ""]), "unnamed");
    }

    #[test]
    fn parts_of_ours_are_in_lower_case() {
        assert_eq!(part_name("StdDev"), "stddev");
        assert_eq!(part_name("Max"), "max");
        assert_eq!(part_name("reads.0"), "reads.0");
    }

    #[test]
    fn a_key_is_used_once() {
        let mut attributes = Vec::new();
        for key in ["group", "group", ""] {
            push_attribute(&mut attributes, key.into(), "x".into());
        }
        let keys: Vec<_> = attributes.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["group", "group.2", "label"]);
    }

    #[test]
    fn two_types_of_a_name_are_two_metrics() {
        let mut metrics = Metrics::new(false, 0);
        let mut at = |kind, unit| {
            write_name(&["a", "b"], &mut metrics.name);
            metrics.metric(kind, unit, "")
        };
        assert_eq!((at(Type::Counter, ""), at(Type::Counter, "")), (0, 0));
        assert_eq!((at(Type::Gauge, ""), at(Type::Gauge, "s")), (1, 2));
        assert_eq!((at(Type::Gauge, "s"), at(Type::Gauge, "")), (2, 1));
        let names: Vec<_> = metrics.metrics.iter().map(|metric| &*metric.name).collect();
        assert_eq!(names, ["a.b", "a.b.gauge", "a.b.gauge.2"]);
    }
}
