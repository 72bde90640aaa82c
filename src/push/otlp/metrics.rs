//! From the series of a resource to metrics with points.
//!
//! A metric is called `<prefix>.<metric>`, as the model writes it. Its unit is a field, the group and the labels are
//! attributes. A receiver takes points of one metric with the same attributes for one, and two types of one name for
//! an error: so attributes that are alike get more, and a second type of a name has its type as a suffix.

use std::collections::HashMap;
use std::time::SystemTime;

use super::distribution;
use super::message::{ExponentialPoint, HistogramPoint};
use super::units;
use crate::export::apart::{Labelled, Origin, tell_apart};
use crate::export::snake_case;
use crate::format::scalar::Number;
use crate::reader::{Reading, Sample, Series};

/// The metrics of one resource.
#[derive(Debug, Default)]
pub struct Metrics {
    metrics: Vec<Metric>,
    /// By name, type and unit that were wanted.
    index: HashMap<(String, Type, String), usize>,
    names: HashMap<String, usize>,
    /// Whether distributions have exponential buckets.
    exponential: bool,
}

/// All points of one name.
#[derive(Debug)]
pub struct Metric {
    pub name: String,
    pub kind: Type,
    pub unit: String,
    pub help: String,
    pub points: Vec<Point>,
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
pub struct Point {
    pub attributes: Vec<(String, String)>,
    pub value: PointValue,
    /// From when it counts.
    pub since: SystemTime,
    origin: Origin,
}

#[derive(Debug)]
pub enum PointValue {
    Number(Number),
    Histogram(Box<HistogramPoint>),
    Exponential(Box<ExponentialPoint>),
    Summary { count: u64, sum: f64 },
}

impl Labelled for Point {
    fn labels(&self) -> &[(String, String)] {
        &self.attributes
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn add_label(&mut self, key: &str, value: &str) {
        push_attribute(&mut self.attributes, key, value);
    }
}

impl Type {
    /// As a suffix of names.
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

impl Metrics {
    /// None so far.
    pub fn new(exponential: bool) -> Metrics {
        Metrics {
            exponential,
            ..Metrics::default()
        }
    }

    /// Adds what a series says. `export` is what stands in front of its model's names, `path` where it was read.
    pub fn add(&mut self, origin: (&str, &str, &str), series: &Series) {
        let attributes = attributes(series);
        let (mut summary, mut has_negative) = (None, false);
        series.value().samples(series.unit(), |sample| {
            match (sample.part, sample.reading) {
                ("Min", Reading::Level(min)) => has_negative = min.as_f64() < 0.0,
                // Once it is known whether its sum may fall.
                ("", Reading::Summary { count, sum }) => {
                    summary = Some((count, sum));
                    return;
                }
                _ => {}
            }
            if sample.is_exported {
                self.add_sample(origin, series, &sample, &attributes);
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
            self.add_sample(origin, series, &sample, &attributes);
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

    fn add_sample(
        &mut self,
        (model, export, path): (&str, &str, &str),
        series: &Series,
        sample: &Sample<'_>,
        attributes: &[(String, String)],
    ) {
        let mut attributes = attributes.to_vec();
        let number = |kind, number| (kind, PointValue::Number(number));
        let (kind, value) = match sample.reading {
            Reading::Cumulative(count) => number(Type::Counter, count),
            Reading::Sum(sum) => number(Type::Sum, sum),
            Reading::Level(level) => number(Type::Gauge, level),
            Reading::Flag(flag) => number(Type::Gauge, Number::Int(flag.into())),
            Reading::Text(text) => {
                let key = match series.metric() {
                    "" => "text",
                    metric => metric,
                };
                push_attribute(&mut attributes, key, text);
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
                push_attribute(&mut attributes, key, sample.part);
                String::new()
            }
            None => part_name(sample.part),
        };
        let name = name(&[export, series.prefix(), series.metric(), &part]);
        let at = self.metric(name, kind, units::ucum(sample.unit), series.help());
        self.metrics[at].points.push(Point {
            attributes,
            value,
            since: series.since(),
            origin: Origin {
                label: series.label().to_owned(),
                model: model.to_owned(),
                path: path.to_owned(),
            },
        });
    }

    /// The place of the metric, made if it is new.
    fn metric(&mut self, name: String, kind: Type, unit: &str, help: &str) -> usize {
        let key = (name, kind, unit.to_owned());
        if let Some(&at) = self.index.get(&key) {
            return at;
        }
        let wanted = &key.0;
        let numbers = (2..).map(|n| format!("{wanted}.{}.{n}", kind.name()));
        let name = std::iter::once(wanted.clone())
            .chain(std::iter::once(format!("{wanted}.{}", kind.name())))
            .chain(numbers)
            .find(|name| !self.names.contains_key(name))
            .expect("names do not run out");
        let at = self.metrics.len();
        self.metrics.push(Metric {
            name: name.clone(),
            kind,
            unit: unit.to_owned(),
            help: help.to_owned(),
            points: Vec::new(),
        });
        self.names.insert(name, at);
        self.index.insert(key, at);
        at
    }

    /// The metrics, whose points have different attributes now.
    pub fn into_metrics(mut self) -> Vec<Metric> {
        for metric in &mut self.metrics {
            tell_apart(&mut metric.points);
        }
        self.metrics
    }
}

/// The parts that are there, with a dot between two of them.
fn name(parts: &[&str]) -> String {
    let mut name = String::new();
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
        return "unnamed".to_owned();
    }
    name
}

/// Names of our own (`Min`, `StdDev`) in lower case; those of fields as they are.
fn part_name(part: &str) -> String {
    match part {
        "StdDev" => "stddev".to_owned(),
        _ if part.starts_with(|c: char| c.is_ascii_uppercase()) => snake_case(part),
        _ => part.to_owned(),
    }
}

/// The group or the labels of a series.
fn attributes(series: &Series) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    if let Some(group) = series.group() {
        push_attribute(&mut attributes, series.group_label(), group);
    }
    for (key, value) in series.labels() {
        push_attribute(&mut attributes, key, value);
    }
    attributes
}

/// Adds an attribute. Where its key is there, or is empty, it is renamed: keys must be unique.
fn push_attribute(attributes: &mut Vec<(String, String)>, key: &str, value: &str) {
    let key = if key.is_empty() { "label" } else { key };
    let numbered = (2..).map(|n| format!("{key}.{n}"));
    let mut keys = std::iter::once(key.to_owned()).chain(numbered);
    let is_free = |key: &String| !attributes.iter().any(|(there, _)| there == key);
    let key = keys.find(is_free).expect("names do not run out");
    attributes.push((key, value.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_dot_between_two_parts() {
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
            push_attribute(&mut attributes, key, "x");
        }
        let keys: Vec<_> = attributes.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["group", "group.2", "label"]);
    }

    #[test]
    fn two_types_of_a_name_are_two_metrics() {
        let mut metrics = Metrics::default();
        let mut at = |kind, unit| metrics.metric("a.b".to_owned(), kind, unit, "");
        assert_eq!((at(Type::Counter, ""), at(Type::Counter, "")), (0, 0));
        assert_eq!((at(Type::Gauge, ""), at(Type::Gauge, "s")), (1, 2));
        let names: Vec<_> = metrics.metrics.iter().map(|metric| &*metric.name).collect();
        assert_eq!(names, ["a.b", "a.b.gauge", "a.b.gauge.2"]);
    }
}
