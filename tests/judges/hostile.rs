//! Names and values that must not break a page, and what a page must say about them.

use std::any::Any;
use std::path::Path;
use std::time::Duration;

use crate::{child, wait_for_line};
use mmstats::{
    Compound, Counter, Errors, Flag, Gauge, Groups, MmStats, MmValue, Percentile, Summary, Text,
    Timer, Writer,
};

#[derive(MmStats)]
#[mmstats(name = "odd")]
struct Odd {
    pool: Compound<Pool>,
    long: Text<4096>,
    ready: Flag,
    errors: Errors,
    summary: Summary,
    #[mmstats(unit = "celsius")]
    degrees: Percentile<f64>,
    plus: Gauge<f64>,
    minus: Gauge<f64>,
    nan: Gauge<f64>,
    #[mmstats(group_label = "le")]
    les: Groups<Part>,
    #[mmstats(group_label = "quantile")]
    quantiles: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    parts: Counter,
    took: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u64,
    share: f64,
    #[mmstats(counter)]
    waits: u64,
    #[mmstats(counter)]
    busy: f64,
}

/// A sample that a page must have.
#[derive(Clone, Debug)]
pub struct Expected {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
    /// Whether OpenMetrics forbids the sample.
    pub is_forbidden: bool,
}

/// The samples that were written. Keeps their files while it lives.
pub struct Written {
    _writers: Vec<Box<dyn Any>>,
    pub expected: Vec<Expected>,
}

impl Written {
    fn expect(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter();
        self.expected.push(Expected {
            name: name.to_owned(),
            labels: labels
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            value,
            is_forbidden: false,
        });
    }

    fn expect_forbidden(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.expect(name, labels, value);
        self.expected.last_mut().unwrap().is_forbidden = true;
    }
}

/// Writes everything, below a root.
pub fn write(root: &Path) -> Written {
    let mut written = Written {
        _writers: Vec::new(),
        expected: Vec::new(),
    };
    label_values(root, &mut written);
    label_names(root, &mut written);
    clashes(root, &mut written);
    kinds(root, &mut written);
    values(root, &mut written);
    by_name(root, &mut written);
    written
}

fn writer(root: &Path, model: &str) -> Writer {
    Writer::builder(model).path(root).create().unwrap()
}

fn label_values(root: &Path, written: &mut Written) {
    let mut values: Vec<String> = [
        "",
        "quote\"d",
        "back\\slash",
        "line\nline",
        "\\n",
        "\\\"",
        "\\",
        "\"",
        "\n",
        "{}",
        "a,b=\"c\"",
        "größe",
        "日本語",
        "🦀",
        "\u{202e}right\u{2028}",
        "\u{feff}bom",
        " ",
        "# EOF",
        "+Inf",
        "\u{10ffff}",
    ]
    .map(str::to_owned)
    .into();
    values.push("ä\"\\\n".repeat(204));
    let writer = writer(root, "label-values");
    for (n, value) in (1000..).zip(&values) {
        let group = writer.group_with(&[("value", value)]).unwrap();
        group.counter("n").add().unwrap().add(n);
        written.expect("label_values_n_total", &[("value", value)], n as f64);
        group
            .timer("time")
            .add()
            .unwrap()
            .record(Duration::from_millis(n));
        let (count, sum) = (
            "label_values_time_seconds_count",
            "label_values_time_seconds_sum",
        );
        written.expect(count, &[("value", value)], 1.0);
        written.expect(sum, &[("value", value)], n as f64 / 1000.0);
    }
    // A value has at most 1024 bytes, but there may be many of them: 60 kB.
    let keys: Vec<String> = (10..70).map(|n| format!("key_{n}")).collect();
    let long: Vec<(&str, &str)> = keys
        .iter()
        .map(|key| (&**key, &**values.last().unwrap()))
        .collect();
    writer
        .group_with(&long)
        .unwrap()
        .counter("n")
        .add()
        .unwrap()
        .add(1100);
    written.expect("label_values_n_total", &long, 1100.0);
    written._writers.push(Box::new(writer));
}

fn label_names(root: &Path, written: &mut Written) {
    let writer = writer(root, "LabelNames");
    for (n, (key, label)) in (2000..).zip([
        ("__x", "_x"),
        ("__name__", "_name__"),
        ("le", "exported_le"),
        ("quantile", "exported_quantile"),
        ("a.b", "a_b"),
        ("größe", "gr__e"),
        ("9", "_9"),
        ("job", "job"),
        ("model", "model"),
        ("_", "label"),
    ]) {
        let group = writer.group_with(&[(key, "v")]).unwrap();
        group.counter("n").add().unwrap().add(n);
        written.expect("label_names_n_total", &[(label, "v")], n as f64);
        group.percentile("size").add().unwrap().record(n);
        written.expect("label_names_size_count", &[(label, "v")], 1.0);
        written.expect("label_names_size_sum", &[(label, "v")], n as f64);
    }
    // Two keys that become one.
    let group = writer.group_with(&[("x.y", "1"), ("x-y", "2")]).unwrap();
    group.counter("n").add().unwrap().add(2100);
    written.expect(
        "label_names_n_total",
        &[("x_y", "2"), ("exported_x_y", "1")],
        2100.0,
    );
    written._writers.push(Box::new(writer));
}

/// Names that become one, and names that equal those of another family's samples.
fn clashes(root: &Path, written: &mut Written) {
    let writer = writer(root, "clashes");
    let counter = |label: &str, n: u64| writer.counter(label).add().unwrap().add(n);
    counter("a.b", 3000);
    counter("a-b", 3001);
    counter("aB", 3002);
    for (label, n) in [("a.b", 3000.0), ("a-b", 3001.0), ("aB", 3002.0)] {
        written.expect("clashes_a_b_total", &[("label", label)], n);
    }
    // A histogram, and a gauge or counter with the name of each of its samples, in the order of labels: `x` is first.
    writer
        .timer("x")
        .add()
        .unwrap()
        .record(Duration::from_secs(3));
    for (n, (suffix, of_gauge, of_counter)) in (3010..).zip([
        ("total", "x_seconds_total", "y_total"),
        ("count", "x_seconds_count_gauge", "y_count_total"),
        ("sum", "x_seconds_sum_gauge", "y_sum_total"),
        ("bucket", "x_seconds_bucket_gauge", "y_bucket_total"),
        (
            "created",
            "x_seconds_created_gauge",
            "y_created_counter_total",
        ),
        ("info", "x_seconds_info", "y_info_total"),
    ]) {
        let gauge: &Gauge<u64> = writer.gauge(&format!("x_seconds_{suffix}")).add().unwrap();
        gauge.set(n);
        written.expect(&format!("clashes_{of_gauge}"), &[], n as f64);
        counter(&format!("y_{suffix}"), n + 100);
        let labels: &[_] = if suffix == "total" {
            &[("label", "y_total")]
        } else {
            &[]
        };
        written.expect(&format!("clashes_{of_counter}"), labels, n as f64 + 100.0);
    }
    counter("y", 3100);
    written.expect("clashes_y_total", &[("label", "y")], 3100.0);
    let text: &Text<256> = writer.text("y_text").add().unwrap();
    text.set("y");
    written.expect("clashes_y_text_info", &[("y_text", "y")], 1.0);
    written.expect("clashes_x_seconds_count", &[], 1.0);
    written.expect("clashes_x_seconds_sum", &[], 3.0);
    written._writers.push(Box::new(writer));
}

/// One label with two kinds: in two files of a model the newer one counts. In two models they are two families.
fn kinds(root: &Path, written: &mut Written) {
    let older = writer(root, "kinds");
    older.counter("x").add().unwrap().add(4000);
    let newer = writer(root, "kinds");
    newer.percentile("x").add().unwrap().record(4002);
    written.expect("kinds_x_count", &[], 1.0);
    written.expect("kinds_x_sum", &[], 4002.0);
    written._writers.push(Box::new([older, newer]));

    let [first, second, third] =
        ["two-models", "two.models", "two_models"].map(|model| writer(root, model));
    first.counter("x").add().unwrap().add(4010);
    second.counter("x").add().unwrap().add(4011);
    let gauge: &Gauge<u64> = third.gauge("x").add().unwrap();
    gauge.set(4012);
    written.expect("two_models_x_total", &[("model", "two-models")], 4010.0);
    written.expect("two_models_x_total", &[("model", "two.models")], 4011.0);
    written.expect("two_models_x_gauge", &[], 4012.0);
    written._writers.push(Box::new([first, second, third]));
}

fn values(root: &Path, written: &mut Written) {
    let odd = Odd::builder().path(root).create().unwrap();
    odd.pool.set(Pool {
        open: u64::MAX,
        share: -0.25,
        waits: 5000,
        busy: 2.5,
    });
    written.expect("odd_pool_open", &[], u64::MAX as f64);
    written.expect("odd_pool_share", &[], -0.25);
    written.expect("odd_pool_waits_total", &[], 5000.0);
    written.expect("odd_pool_busy_total", &[], 2.5);
    let long = "long: \t\r\0\u{7f}\u{85}".to_owned() + &"ä\"\\\n€".repeat(450);
    odd.long.set(&long);
    written.expect("odd_long_info", &[("long", &long)], 1.0);
    odd.ready.set(true);
    written.expect("odd_ready", &[], 1.0);
    for (n, note) in (1..).zip(["quote\"d", "line\nline", "back\\slash", "größe"]) {
        for _ in 0..n {
            odd.errors.note(note, "context");
        }
        written.expect("odd_errors_total", &[("error", note)], f64::from(n));
    }
    for value in [1.5, -4.0, 0.5] {
        odd.summary.record(value);
        odd.degrees.record(value * 1e3);
    }
    written.expect_forbidden("odd_summary_count", &[], 3.0);
    written.expect_forbidden("odd_summary_sum", &[], -2.0);
    written.expect("odd_summary_min", &[], -4.0);
    written.expect("odd_summary_max", &[], 1.5);
    written.expect("odd_summary_last", &[], 0.5);
    let squares = [1.5, -4.0, 0.5].map(|value: f64| (value + 2.0 / 3.0).powi(2));
    let stddev = (squares.iter().sum::<f64>() / 2.0).sqrt();
    written.expect("odd_summary_stddev", &[], stddev);
    written.expect("odd_degrees_celsius_bucket", &[("le", "+Inf")], 3.0);
    written.expect("odd_degrees_celsius_bucket", &[("le", "0.0")], 1.0);
    written.expect_forbidden("odd_degrees_celsius_count", &[], 3.0);
    written.expect_forbidden("odd_degrees_celsius_sum", &[], -2000.0);
    odd.plus.set(f64::INFINITY);
    odd.minus.set(f64::NEG_INFINITY);
    odd.nan.set(f64::NAN);
    written.expect("odd_plus", &[], f64::INFINITY);
    written.expect("odd_minus", &[], f64::NEG_INFINITY);
    written.expect("odd_nan", &[], f64::NAN);
    odd.les.group("1.0").parts.add(5100);
    odd.les.group("1.0").took.record(Duration::from_secs(1));
    odd.quantiles.group("0.5").parts.add(5101);
    written.expect("odd_parts_total", &[("exported_le", "1.0")], 5100.0);
    for (name, time) in [("count", 1.0), ("sum", 1.0)] {
        let name = format!("odd_took_seconds_{name}");
        written.expect(&name, &[("exported_le", "1.0")], time);
        written.expect(&name, &[("exported_quantile", "0.5")], 0.0);
    }
    written.expect("odd_parts_total", &[("exported_quantile", "0.5")], 5101.0);
    written._writers.push(Box::new(odd));
}

/// By name, from a child that keeps running: these files belong to a thread, in the root that the environment names.
fn by_name(root: &Path, written: &mut Written) {
    let mut child = child::start(&mut child::command("hostile::pushes_by_name", root));
    wait_for_line(&mut child, "ready");
    for (n, label) in (0..).zip(NAMES) {
        let labels = [("label", label)];
        let value = f64::from(n) + 6000.25;
        written.expect("stats_count", &labels, 1.0);
        written.expect("stats_sum", &labels, value);
        for part in ["min", "max", "last"] {
            written.expect(&format!("stats_{part}"), &labels, value);
        }
        written.expect("stats_stddev", &labels, 0.0);
    }
    written._writers.push(Box::new(child));
}

const NAMES: [&str; 5] = [
    "file:large.csv",
    "quote\"d",
    "größe.x",
    "a{b=\"c\"}",
    "back\\slash",
];

#[test]
fn pushes_by_name() {
    if !child::is_child("hostile::pushes_by_name") {
        return;
    }
    for (n, label) in (0..).zip(NAMES) {
        mmstats::push_stat(label, f64::from(n) + 6000.25);
    }
    println!("ready");
    // Until the test ends it.
    let _ = std::io::stdin().read_line(&mut String::new());
}
