//! `mmstats export`: names, types and values on the pages, including those that are hard to represent.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mmstats::{
    Compound, Constant, Counter, Errors, Flag, Gauge, Groups, MmStats, MmValue, Percentile, Stats,
    Summary, Text, Timer, UpDown, Writer,
};
use tempfile::TempDir;

/// Statistics of the "web" tier.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    /// Requests \ received.
    requests: Counter,
    in_flight: UpDown,
    #[mmstats(unit = "req/s")]
    speed: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    ratio: Percentile<f64>,
    #[mmstats(label = "timers.response")]
    response_time: Timer,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    #[mmstats(value = 80)]
    port: Constant<u16>,
    task: Summary,
    errors: Errors,
    #[mmstats(group_label = "handler")]
    handlers: Groups<Handler>,
    #[mmstats(prefix = "queue.")]
    queues: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    #[mmstats(label = "responseOk")]
    response_ok: Counter,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    #[mmstats(counter)]
    waits: u64,
}

fn export(format: &str, root: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mmstats"))
        .args(["export", "--format", format])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn web(root: &Path) -> Stats<Web> {
    let web = Web::builder().path(root).create().unwrap();
    web.requests.add(7);
    web.in_flight.dec();
    web.speed.set(f64::INFINITY);
    [0, 1, 100, 4096]
        .into_iter()
        .for_each(|size| web.body_size.record(size));
    [-1.5, 0.0, 0.25]
        .into_iter()
        .for_each(|ratio| web.ratio.record(ratio));
    web.response_time.record(Duration::from_micros(1));
    web.response_time.record(Duration::from_millis(8));
    web.pool.update(|pool| (pool.open, pool.waits) = (3, 4));
    web.release.set("1.4.\"2\"");
    web.ready.set(true);
    [1.0, 2.5, 4.0]
        .into_iter()
        .for_each(|value| web.task.record(value));
    web.errors.record(&"x".parse::<u8>().unwrap_err());
    web.handlers.group("index \"a\\b\"").response_ok.inc();
    web.queues.group("mail").response_ok.add(2);
    web
}

#[derive(MmStats)]
#[mmstats(name = "nested")]
struct Nested {
    #[mmstats(group_label = "region")]
    regions: Groups<Region>,
}

#[derive(MmStats)]
struct Region {
    handlers: Groups<Handler>,
}

#[test]
fn the_name_of_a_group_is_a_label_beside_those_of_a_group_within_it() {
    let root = TempDir::new().unwrap();
    let nested = Nested::builder().path(root.path()).create().unwrap();
    let region = nested.regions.group("eu");
    let handler = region.handlers.group_with(&[("handler", "index")]);
    handler.response_ok.inc();
    let page = export("openmetrics", root.path());
    let line = "nested_response_ok_total{handler=\"index\",region=\"eu\"} 1\n";
    assert!(page.contains(line), "{page}");
}

#[test]
fn pages_have_every_value_under_its_name() {
    let root = TempDir::new().unwrap();
    let _web = web(root.path());
    let page = export("openmetrics", root.path());
    for line in [
        "# TYPE my_app_requests counter",
        r"# HELP my_app_requests Requests \\ received.",
        "my_app_requests_total 7",
        "my_app_in_flight -1",
        "my_app_speed +Inf",
        "# UNIT my_app_body_size_bytes bytes",
        r#"my_app_body_size_bytes_bucket{le="0.0"} 1"#,
        r#"my_app_body_size_bytes_bucket{le="1.0"} 2"#,
        r#"my_app_body_size_bytes_bucket{le="95.0"} 2"#,
        r#"my_app_body_size_bytes_bucket{le="127.0"} 3"#,
        r#"my_app_body_size_bytes_bucket{le="4095.0"} 3"#,
        r#"my_app_body_size_bytes_bucket{le="6143.0"} 4"#,
        r#"my_app_body_size_bytes_bucket{le="+Inf"} 4"#,
        "my_app_body_size_bytes_count 4",
        "my_app_body_size_bytes_sum 4197.0",
        r#"my_app_ratio_bucket{le="0.0"} 2"#,
        r#"my_app_ratio_bucket{le="+Inf"} 3"#,
        "# TYPE my_app_timers_response_seconds histogram",
        r#"my_app_timers_response_seconds_bucket{le="1.023e-06"} 1"#,
        r#"my_app_timers_response_seconds_bucket{le="0.006291455"} 1"#,
        r#"my_app_timers_response_seconds_bucket{le="0.008388607"} 2"#,
        "my_app_timers_response_seconds_sum 0.008001",
        "# TYPE my_app_pool_open gauge",
        "my_app_pool_open 3",
        "# TYPE my_app_pool_waits counter",
        "my_app_pool_waits_total 4",
        "# TYPE my_app_release info",
        r#"my_app_release_info{release="1.4.\"2\""} 1"#,
        "my_app_ready 1",
        "my_app_port 80",
        "# TYPE my_app_task summary",
        "my_app_task_count 3",
        "my_app_task_sum 7.5",
        "my_app_task_min 1.0",
        "my_app_task_stddev 1.5",
        r#"my_app_errors_total{error="EXC:ParseIntError"} 1"#,
        r#"my_app_response_ok_total{handler="index \"a\\b\""} 1"#,
        r#"my_app_queue_response_ok_total{group="mail"} 2"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    // A distribution with a negative value has neither sum nor count.
    assert!(!page.contains("my_app_ratio_sum") && !page.contains("my_app_ratio_count"));
    assert!(page.ends_with("\n# EOF\n"));
    assert_eq!(
        page.lines()
            .filter(|line| line.starts_with("# HELP"))
            .count(),
        page.lines()
            .filter(|line| line.starts_with("# TYPE"))
            .count()
    );

    let page = export("prometheus", root.path());
    for line in [
        "# TYPE my_app_requests_total counter",
        "# TYPE my_app_release_info gauge",
        "my_app_ratio_count 3",
        "my_app_ratio_sum -1.25",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!page.contains("# UNIT") && !page.contains("# EOF"));

    let csv = export("csv", root.path());
    for line in [
        "my-app,requests,counter,,,7",
        "my-app,timers.response,timer,seconds,Max,0.008",
        "my-app,pool,compound,,waits,4",
        "my-app,release,text,,,\"1.4.\"\"2\"\"\"",
        "my-app,errors,errors,,EXC:ParseIntError,1",
    ] {
        assert!(csv.lines().any(|found| found == line), "{line}\n{csv}");
    }
}

#[test]
fn names_that_clash_lose_nothing() {
    let root = TempDir::new().unwrap();
    let writer = Writer::builder("app").path(root.path()).create().unwrap();
    let mut wanted = 0;
    for name in [
        "a.b",
        "a-b",
        "a_b",
        "x_total",
        "x",
        "y_info",
        "z_count",
        "z_sum",
        "z_bucket",
        "z_created",
    ] {
        wanted += 1;
        writer.counter(name).add().unwrap().add(wanted);
    }
    writer
        .timer("z")
        .add()
        .unwrap()
        .record(Duration::from_secs(1));
    writer.text("y").add().unwrap().set("text");
    writer
        .gauge::<f64>("x_total_2")
        .add()
        .unwrap()
        .set(f64::NAN);
    for key in [
        ("le", "1"),
        ("__name__", "2"),
        ("a.b", "3"),
        ("quantile", "4"),
    ] {
        let group = writer.group_with(&[key]).unwrap();
        group.counter("labelled").add().unwrap().inc();
    }
    let two = writer.group_with(&[("a.b", "1"), ("a_b", "2")]).unwrap();
    two.counter("labelled").add().unwrap().inc();
    // A model with the same names as another one.
    let other = Writer::builder("other")
        .path(root.path())
        .export("app")
        .create()
        .unwrap();
    other.counter("x").add().unwrap().add(100);

    for format in ["openmetrics", "prometheus"] {
        let page = export(format, root.path());
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        let names: HashSet<&str> = (samples.iter())
            .map(|line| line.rsplit_once(' ').unwrap().0)
            .collect();
        assert_eq!(names.len(), samples.len(), "{page}");
        for line in [
            r#"app_a_b_total{label="a.b"} 1"#,
            r#"app_a_b_total{label="a-b"} 2"#,
            r#"app_a_b_total{label="a_b"} 3"#,
            r#"app_labelled_total{exported_le="1"} 1"#,
            r#"app_labelled_total{_name__="2"} 1"#,
            r#"app_labelled_total{a_b="1",exported_a_b="2"} 1"#,
        ] {
            assert!(samples.contains(&line), "{line}\n{page}");
        }
        let sum: f64 = (samples.iter())
            .filter(|line| line.contains("_total") && !line.contains("labelled"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .filter(|value| !value.is_nan())
            .sum();
        assert_eq!(sum, f64::from((1..=10).sum::<u32>() + 100), "{page}");
        assert!(
            page.contains("app_z_seconds_bucket{le=\"1.073741823\"} 1"),
            "{page}"
        );
    }
}

#[test]
fn exemplars_stand_beside_their_buckets() {
    let root = TempDir::new().unwrap();
    let web = web(root.path());
    for (millis, trace) in [
        (7, "early"),
        (8, "4bf92f"),
        (900, "a \"trace\""),
        (90, &*"x".repeat(200)),
    ] {
        web.response_time
            .record_with(Duration::from_millis(millis), trace);
    }
    let page = export("openmetrics", root.path());
    let buckets: Vec<&str> = (page.lines())
        .filter(|line| {
            line.starts_with("my_app_timers_response_seconds_bucket") && line.contains(" # ")
        })
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        buckets,
        [
            r#"my_app_timers_response_seconds_bucket{le="0.008388607"} 4 # {trace_id="4bf92f"} 0.008"#,
            r#"my_app_timers_response_seconds_bucket{le="1.073741823"} 6 # {trace_id="a \"trace\""} 0.9"#,
        ],
        "{page}"
    );
    assert!(!export("prometheus", root.path()).contains(" # "));
}

#[test]
fn a_file_is_replaced_as_a_whole_and_stays_where_nothing_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let root = TempDir::new().unwrap();
    let file = root.path().join("app.prom");
    let stats = root.path().join("stats");
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_mmstats"))
            .args(["export", "--format", "prometheus", "-o"])
            .args([&file, &stats])
            .output()
            .unwrap()
    };
    let web = web(&stats);
    assert!(run().status.success());
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("my_app_requests_total 7"));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    drop(web);
    assert_eq!(run().status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), page);
    let names = std::fs::read_dir(root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(
        names.collect::<HashSet<_>>(),
        ["app.prom".into(), "stats".into()].into()
    );
}
