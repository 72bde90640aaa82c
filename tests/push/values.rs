//! What is pushed, value by value.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mmstats::{Counter, MmStats, OrRecord, Stats};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, exemplar, metric::Data};
use tempfile::TempDir;

use super::checks::{attributes, keys_and_values, metric, number, points};
use super::pusher::{command, ended, once};
use super::receiver::{Receiver, Request};
use super::{Route, Web};

pub fn web(root: &Path) -> Stats<Web> {
    let web = Web::builder().path(root).create().unwrap();
    web.requests.add(5);
    web.in_flight.add(-3);
    web.temperature.set(36.6);
    for size in [0, 100, 5_000_000_000] {
        web.body_size.record(size);
    }
    web.ratio.record(-0.5);
    web.ratio.record(0.25);
    web.response_time.record(Duration::from_millis(9));
    web.tasks.record(1.5);
    web.tasks.record(2.5);
    web.balance.record(-4.0);
    web.balance.record(1.0);
    web.pool.update(|pool| (pool.open, pool.waits) = (3, 4));
    web.release.set("1.4.2");
    web.ready.set(true);
    for _ in 0..2 {
        "300".parse::<u8>().or_record(&web.errors).unwrap_err();
    }
    web.errors.note("timeout", "host:abc");
    web.handlers.group("index").response_ok.inc();
    let route = Route {
        handler: "login",
        status: 200,
    };
    web.routes.group(&route).response_ok.add(2);
    web
}

fn pid() -> u32 {
    std::process::id()
}

/// Returns the values of a sum or gauge by their attributes, its unit, and for a sum whether it is monotonic.
fn all(resource: &ResourceMetrics, name: &str) -> (Vec<(String, f64)>, String, Option<bool>) {
    let (points, is_monotonic) = points(resource, name).expect(name);
    let mut values = Vec::new();
    for point in points {
        let mut attributes: Vec<_> = keys_and_values(&point.attributes).into_iter().collect();
        attributes.sort();
        let attributes = attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let attributes: Vec<_> = attributes.collect();
        values.push((attributes.join(","), number(point)));
    }
    values.sort_by(|a, b| a.0.cmp(&b.0));
    let unit = metric(resource, name).unwrap().unit.clone();
    (values, unit, is_monotonic)
}

fn one(
    value: f64,
    unit: &str,
    is_monotonic: Option<bool>,
) -> (Vec<(String, f64)>, String, Option<bool>) {
    (vec![(String::new(), value)], unit.to_owned(), is_monotonic)
}

fn labelled(
    labels: &str,
    value: f64,
    is_monotonic: Option<bool>,
) -> (Vec<(String, f64)>, String, Option<bool>) {
    (
        vec![(labels.to_owned(), value)],
        String::new(),
        is_monotonic,
    )
}

#[test]
fn numbers_are_those_that_were_written() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(root.path());
    assert_eq!(once(root.path(), &receiver.base()), (true, String::new()));
    let request = receiver.next();
    assert_eq!(request.path, "/v1/metrics");
    let own = request.process(pid()).unwrap();
    for (name, wanted) in [
        ("my-app.requests", one(5.0, "", Some(true))),
        ("my-app.in_flight", one(-3.0, "", Some(false))),
        ("my-app.temperature", one(36.6, "Cel", None)),
        ("my-app.pool.open", one(3.0, "", None)),
        ("my-app.pool.idle", one(0.0, "", None)),
        ("my-app.pool.waits", one(4.0, "", Some(true))),
        ("my-app.ready", one(1.0, "", None)),
        ("my-app.release", labelled("release=1.4.2", 1.0, None)),
        (
            "my-app.response_ok",
            labelled("handler=index", 1.0, Some(true)),
        ),
        (
            "my-app.route.response_ok",
            labelled("handler=login,status=200", 2.0, Some(true)),
        ),
        ("my-app.tasks.min", one(1.5, "s", None)),
        ("my-app.tasks.max", one(2.5, "s", None)),
        ("my-app.tasks.last", one(2.5, "s", None)),
        // A sum with negative values is not a valid summary.
        ("my-app.balance.count", one(2.0, "", Some(true))),
        ("my-app.balance.sum", one(-3.0, "", Some(false))),
        ("my-app.balance.min", one(-4.0, "", None)),
    ] {
        assert_eq!(all(own, name), wanted, "{name}");
    }
    assert!(metric(own, "my-app.balance").is_none());
    let (errors, _, is_monotonic) = all(own, "my-app.errors");
    assert_eq!(is_monotonic, Some(true));
    let errors: Vec<_> = errors
        .iter()
        .map(|(error, count)| (&**error, *count))
        .collect();
    assert_eq!(
        errors,
        [("error=EXC:ParseIntError", 2.0), ("error=timeout", 1.0)]
    );
    let Data::Summary(tasks) = metric(own, "my-app.tasks").unwrap().data.as_ref().unwrap() else {
        panic!("no summary");
    };
    assert_eq!(
        (tasks.data_points[0].count, tasks.data_points[0].sum),
        (2, 4.0)
    );
    assert!(tasks.data_points[0].quantile_values.is_empty());
    let requests = metric(own, "my-app.requests").unwrap();
    assert_eq!(requests.description, "Requests received.");
    let metrics = own.scope_metrics.iter().map(|scope| scope.metrics.len());
    assert_eq!(metrics.sum::<usize>(), 25, "{own:#?}");
}

#[test]
fn distributions_are_histograms_with_explicit_bounds() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(root.path());
    assert!(once(root.path(), &receiver.base()).0);
    let request = receiver.next();
    let own = request.process(pid()).unwrap();
    let histogram = |name: &str| match metric(own, name).unwrap().data.as_ref().unwrap() {
        Data::Histogram(histogram) => histogram.data_points[0].clone(),
        other => panic!("{other:?}"),
    };
    let sizes = histogram("my-app.body_size");
    assert_eq!((sizes.count, sizes.sum), (3, Some(5_000_000_100.0)));
    assert_eq!((sizes.min, sizes.max), (Some(0.0), Some(5_000_000_000.0)));
    assert_eq!((sizes.explicit_bounds[0], sizes.bucket_counts[0]), (0.0, 1));
    // The maximum is beyond all bounds.
    assert_eq!(sizes.bucket_counts.last(), Some(&1));
    let at = sizes
        .explicit_bounds
        .iter()
        .position(|&bound| bound >= 100.0);
    let at = at.unwrap();
    assert_eq!(
        (sizes.explicit_bounds[at], sizes.bucket_counts[at]),
        (127.0, 1)
    );
    assert_eq!(metric(own, "my-app.body_size").unwrap().unit, "By");

    let times = histogram("my-app.timers.response");
    assert_eq!((times.count, times.sum), (1, Some(0.009)));
    assert_eq!(metric(own, "my-app.timers.response").unwrap().unit, "s");
    // With a negative value there is no sum.
    let ratios = histogram("my-app.ratio");
    assert_eq!((ratios.count, ratios.sum), (2, None));
    assert_eq!((ratios.min, ratios.max), (Some(-0.5), Some(0.25)));
    assert_eq!(
        (ratios.explicit_bounds[0], ratios.bucket_counts[0]),
        (0.0, 1)
    );
}

#[test]
fn distributions_are_exponential_on_request() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(root.path());
    let mut command = command(root.path(), &receiver.base(), &["--once"]);
    command.env(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
    );
    assert!(ended(&mut command).0);
    let request = receiver.next();
    let own = request.process(pid()).unwrap();
    let histogram = |name: &str| match metric(own, name).unwrap().data.as_ref().unwrap() {
        Data::ExponentialHistogram(histogram) => histogram.data_points[0].clone(),
        other => panic!("{other:?}"),
    };
    let times = histogram("my-app.timers.response");
    let buckets = times.positive.unwrap();
    assert_eq!(
        (times.scale, times.count, &*buckets.bucket_counts),
        (4, 1, &[1][..])
    );
    let bound = |index: i32| 2f64.powf(f64::from(index) / 16.0);
    assert!(bound(buckets.offset) < 0.009 && 0.009 <= bound(buckets.offset + 1));
    let ratios = histogram("my-app.ratio");
    assert_eq!(ratios.negative.unwrap().bucket_counts, [1]);
    assert_eq!(ratios.sum, None);
    let sizes = histogram("my-app.body_size");
    assert_eq!((sizes.zero_count, sizes.count), (1, 3));
    let buckets = sizes.positive.unwrap();
    assert!(buckets.bucket_counts.len() <= 160 && sizes.scale < 4);
}

#[test]
fn values_with_a_context_are_exemplars() {
    for aggregation in [
        "explicit_bucket_histogram",
        "base2_exponential_bucket_histogram",
    ] {
        let root = TempDir::new().unwrap();
        let receiver = Receiver::start([]);
        let web = web(root.path());
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        web.response_time.record_with(Duration::from_secs(2), trace);
        web.response_time
            .record_with(Duration::from_millis(1), "order 7");
        let mut command = command(root.path(), &receiver.base(), &["--once"]);
        let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        assert!(ended(command.env(name, aggregation)).0);
        let request = receiver.next();
        let times = metric(request.process(pid()).unwrap(), "my-app.timers.response");
        let (exemplars, end) = match times.unwrap().data.as_ref().unwrap() {
            Data::Histogram(all) => {
                let point = &all.data_points[0];
                (&point.exemplars, point.time_unix_nano)
            }
            Data::ExponentialHistogram(all) => {
                let point = &all.data_points[0];
                (&point.exemplars, point.time_unix_nano)
            }
            other => panic!("{other:?}"),
        };
        let [other, traced] = &exemplars[..] else {
            panic!("{exemplars:?}");
        };
        // On a clock that may lag by a few milliseconds.
        let age = end.saturating_sub(traced.time_unix_nano);
        assert!(age < 60_000_000_000, "{traced:?}");
        assert_eq!(traced.value, Some(exemplar::Value::AsDouble(2.0)));
        assert_eq!(traced.trace_id[..4], [0x4b, 0xf9, 0x2f, 0x35]);
        assert_eq!(
            (traced.trace_id.len(), traced.filtered_attributes.len()),
            (16, 0)
        );
        assert_eq!(other.value, Some(exemplar::Value::AsDouble(0.001)));
        assert!(other.trace_id.is_empty());
        let attributes = keys_and_values(&other.filtered_attributes);
        assert_eq!(attributes["trace_id"], "order 7");
    }
}

#[test]
fn a_process_is_a_resource_and_counts_from_its_start() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let nanos = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    };
    let before = nanos();
    let _web = web(root.path());
    let after = nanos();
    let mut command = command(root.path(), &receiver.base(), &["--once"]);
    command.env(
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=a%20b,host.name=box",
    );
    assert!(ended(&mut command).0);
    command
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret");
    assert!(ended(&mut command).0);
    let (first, second) = (receiver.next(), receiver.next());
    let resource = |request: &Request| attributes(request.process(pid()).unwrap());
    let (own, named) = (resource(&first), resource(&second));
    let exe = std::env::current_exe().unwrap();
    assert_eq!(own["process.executable.path"], exe.to_string_lossy());
    assert_eq!(
        own["service.name"],
        exe.file_name().unwrap().to_string_lossy()
    );
    assert_eq!(own["host.name"], "box");
    assert_eq!(own["deployment.environment.name"], "a b");
    let created = &own["process.creation.time"];
    assert!(
        created.starts_with("20") && created.ends_with('Z'),
        "{created}"
    );
    let id = &own["service.instance.id"];
    assert_eq!((id.len(), &id[14..15]), (36, "5"), "{id}");

    assert_eq!(named["service.name"], "shop");
    assert_eq!(&named["service.instance.id"], id);
    assert_eq!(second.headers["api-key"], "secret");
    assert_eq!(second.headers["content-encoding"], "gzip");
    assert!(!first.headers.contains_key("content-encoding"));

    let starts = |request: &Request| {
        let (points, _) = points(request.process(pid()).unwrap(), "my-app.requests").unwrap();
        (points[0].start_time_unix_nano, points[0].time_unix_nano)
    };
    let ((start, time), (again, later)) = (starts(&first), starts(&second));
    assert!(
        (before..=after).contains(&start),
        "{before} {start} {after}"
    );
    assert_eq!(start, again);
    assert!(time < later);
}

#[derive(MmStats)]
#[mmstats(name = "elsewhere", export = "my-app")]
struct Other {
    requests: Counter,
}

#[test]
fn what_would_be_one_series_is_told_apart() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let _web = web(root.path());
    let other = Other::builder().path(root.path()).create().unwrap();
    other.requests.add(9);
    assert!(once(root.path(), &receiver.base()).0);
    let request = receiver.next();
    let (values, ..) = all(request.process(pid()).unwrap(), "my-app.requests");
    let values: HashMap<_, _> = values.into_iter().collect();
    assert_eq!(values["model=my-app"], 5.0);
    assert_eq!(values["model=elsewhere"], 9.0);
}

#[test]
fn many_series_are_sent_in_several_parts() {
    let root = TempDir::new().unwrap();
    let receiver = Receiver::start([]);
    let web = web(root.path());
    for number in 0..3_000 {
        let group = web
            .handlers
            .group(&format!("a-name-of-some-length-{number}"));
        group.response_ok.add(number);
    }
    assert!(once(root.path(), &receiver.base()).0);
    let request = receiver.next();
    let mut found = HashMap::new();
    for resource in &request.message.resource_metrics {
        if metric(resource, "my-app.response_ok").is_some() {
            found.extend(all(resource, "my-app.response_ok").0);
        }
    }
    assert_eq!(found["handler=a-name-of-some-length-2999"], 2999.0);
    assert_eq!(found.len(), 3_001);
}
