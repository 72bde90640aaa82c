use super::*;
use crate::format::float_histogram::FloatLayout;
use crate::format::histogram::Layout;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{FieldSchema, Geometry, Merge, MetricSchema};
use crate::metric::average::value::AverageValue;
use crate::metric::context::CopiedContexts;
use crate::metric::double_double::Sum;
use crate::metric::kind::{Counts, Raw, code};
use crate::metric::percentile::distribution::Distribution;
use crate::metric::percentile::float_distribution::FloatDistribution;
use crate::metric::percentile::moments::Moments;
use crate::metric::sampling_counter::value::SamplingCounterValue;
use crate::metric::summary::value::SummaryValue;

#[test]
fn the_table_is_in_the_order_of_the_codes() {
    assert!(KINDS.is_sorted_by_key(|known| known.code));
    for known in KINDS {
        assert_eq!(kind(known.code).unwrap().code, known.code);
        assert!(known.since.is_none() || known.counts == Counts::All);
    }
    assert!(kind(0).is_none());
    assert!(kind(u16::MAX).is_none());
}

/// Returns the samples of a value whose unit is `u`: the part, unit and reading of each, after a `-` if
/// exporters leave it out.
fn said(value: &Value) -> Vec<String> {
    let mut said = Vec::new();
    value.samples("u", |sample| {
        let number = |number: Number| match number {
            Number::Int(n) => n.to_string(),
            Number::Float(x) => format!("{x:?}"),
        };
        let reading = match sample.reading {
            Reading::Cumulative(n) => format!("cumulative {}", number(n)),
            Reading::Sum(n) => format!("sum {}", number(n)),
            Reading::Level(n) => format!("level {}", number(n)),
            Reading::Flag(flag) => format!("flag {flag}"),
            Reading::Text(text) => format!("text {text}"),
            Reading::Histogram(histogram) => {
                let mut buckets = String::new();
                histogram.each_bucket(|low, high, count| {
                    buckets += &format!(" {low}..{high}: {count}");
                });
                format!(
                    "histogram {} {}{buckets}",
                    histogram.count(),
                    histogram.sum()
                )
            }
            Reading::Summary { count, sum } => format!("summary {count} {sum}"),
        };
        let by = sample
            .label
            .map_or(String::new(), |label| format!("{label}="));
        let mark = if sample.is_exported { "" } else { "- " };
        said.push(format!(
            "{mark}{by}{}|{}|{reading}",
            sample.part, sample.unit
        ));
    });
    said
}

/// Returns the samples that exporters show.
fn exported(value: &Value) -> Vec<String> {
    let mut said = said(value);
    said.retain(|sample| !sample.starts_with('-'));
    said
}

#[test]
fn a_value_that_is_one_is_one_sample() {
    for (value, wanted) in [
        (Value::Counter(3), "|u|cumulative 3"),
        (Value::UpDown(-3), "|u|sum -3"),
        (Value::Gauge(Number::Float(0.5)), "|u|level 0.5"),
        (Value::Flag(true), "||flag true"),
        (Value::Text("a".into()), "||text a"),
        (Value::Constant(Number::Int(7)), "|u|level 7"),
        (Value::ConstantFlag(false), "||flag false"),
        (Value::ConstantText("b".into()), "||text b"),
    ] {
        assert_eq!(said(&value), [wanted]);
    }
}

#[test]
fn averages_are_levels_and_none_of_nothing() {
    let average = AverageValue {
        count: 2,
        total: Sum::of(5.0),
    };
    assert_eq!(said(&Value::Average(average)), ["|u|level 2.5"]);
    assert_eq!(said(&Value::MovingAverage(average)), ["|u|level 2.5"]);
    assert!(said(&Value::Average(AverageValue::default())).is_empty());
}

#[test]
fn a_sampling_counter_is_a_counter_for_exporters() {
    let sample = SamplingCounterValue {
        count: 4,
        rate: 0.5,
    };
    assert_eq!(
        said(&Value::SamplingCounter(sample)),
        [
            "|u|cumulative 4",
            "- Count||cumulative 4",
            "- Rate||level 0.5"
        ]
    );
}

#[test]
fn a_timer_is_a_histogram_of_seconds_for_exporters() {
    let layout = Layout::new(2).unwrap();
    let values = || {
        let moments = Moments::default().with(9_000_000);
        let (top, position) = layout.place(9_000_000);
        let mut buckets = vec![0; layout.buckets()];
        buckets[position % layout.buckets()] = 1;
        let octaves = [(layout.octave(top) as u32, &*buckets)];
        Box::new(Distribution::of(layout, moments, &[], &octaves))
    };
    let timer = Value::Timer(values());
    assert_eq!(
        exported(&timer),
        ["|seconds|histogram 1 0.009 0.008978432..0.009043967: 1"]
    );
    let said_of_timer = said(&timer);
    for wanted in [
        "- Count||cumulative 1",
        "- Total|seconds|sum 0.009",
        "- Max|seconds|level 0.009",
        "- Percentile99th|seconds|level 0.009",
    ] {
        assert!(
            said_of_timer.iter().any(|said| said == wanted),
            "{said_of_timer:?}"
        );
    }
    let percentile = Value::Percentile(values());
    assert_eq!(exported(&percentile).len(), 1);
    assert!(said(&percentile).contains(&"- Total|u|sum 9000000".to_owned()));
}

#[test]
fn a_percentile_of_floats_is_a_histogram_for_exporters() {
    let moments = SummaryValue::default().with(-0.5, 1).with_rejected(2);
    let layout = FloatLayout::new(2).unwrap();
    let value = Value::FloatPercentile(Box::new(FloatDistribution::of(layout, moments, &[], &[])));
    assert_eq!(exported(&value), ["|u|histogram 1 -0.5"]);
    assert!(said(&value).contains(&"- Rejected||cumulative 2".to_owned()));
}

#[test]
fn a_summary_is_a_summary_and_levels() {
    let summary = SummaryValue::default().with(1.0, 5).with(3.0, 6);
    let value = Value::Summary(Box::new(summary));
    assert_eq!(
        exported(&value),
        [
            "|u|summary 2 4",
            "StdDev|u|level 1.4142135623730951",
            "Min|u|level 1.0",
            "Max|u|level 3.0",
            "Last|u|level 3.0",
        ]
    );
    assert!(said(&value).contains(&"- Mean|u|level 2.0".to_owned()));
}

#[test]
fn a_compound_is_a_level_or_a_count_for_each_number() {
    let field = |name: &str, offset, count, counter| FieldSchema {
        name: name.to_owned(),
        scalar: Scalar::U32,
        count,
        offset,
        merge: Merge::Sum,
        counter,
    };
    let schema = MetricSchema {
        fields: [
            field("open", 0, None, false),
            field("sizes", 4, Some(2), true),
        ]
        .into(),
        ..schema(code::COMPOUND)
    };
    let raw = Raw {
        words: &[7 | 8 << 32, 9],
        extents: &[],
        contexts: &CopiedContexts::default(),
        current: true,
        retired: false,
        now: None,
        of: &[],
    };
    let value = (kind(code::COMPOUND).unwrap().decode)(&schema, raw);
    assert_eq!(
        said(&value),
        [
            "open|u|level 7",
            "sizes.0|u|cumulative 8",
            "sizes.1|u|cumulative 9"
        ]
    );
}

fn schema(kind: u16) -> MetricSchema {
    MetricSchema {
        label: String::new(),
        unit: String::new(),
        help: String::new(),
        kind,
        scalar: None,
        merge: Merge::Sum,
        offset: 0,
        geometry: Geometry::WORD,
        parameter: 0,
        fields: Default::default(),
    }
}

#[test]
fn histories_and_windows_have_nothing_for_exporters() {
    for number in [code::HISTORY, code::WINDOW] {
        let schema = MetricSchema {
            parameter: code::COUNTER.into(),
            ..schema(number)
        };
        let value = (kind(number).unwrap().none)(&schema);
        assert!(exported(&value).is_empty());
        assert_eq!(said(&value).is_empty(), number == code::HISTORY);
    }
}
