//! Prometheus itself: what it stores and what its queries return, while workers come and go.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{Agent, Ended};
use crate::worker::{self, Worker};
use crate::{PROMETHEUS, http, is_missing, poll};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the workers count, and how many requests per second they count together.
const DRIVE: Duration = Duration::from_secs(14);
const RATE: f64 = 1000.0;

/// A server that scrapes an agent every second.
struct Server {
    _process: Ended,
    address: SocketAddr,
}

impl Server {
    fn start(directory: &Path, agent: &Agent, native: bool) -> Server {
        std::fs::create_dir(directory).unwrap();
        let (config, log) = (directory.join("prometheus.yml"), directory.join("log"));
        let jobs = format!(
            "scrape_configs: [{{job_name: mmstats, scrape_interval: 1s, scrape_timeout: 1s, \
             static_configs: [{{targets: ['{}']}}]}}]\n",
            agent.address
        );
        std::fs::write(&config, jobs).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        if native {
            command.arg("--enable-feature=native-histograms");
        }
        let process = Ended(command.spawn().unwrap());
        let address = poll("Prometheus to listen", PATIENCE, || {
            let log = std::fs::read_to_string(&log).unwrap();
            let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
            line.split("address=").nth(1)?.parse().ok()
        });
        Server {
            _process: process,
            address,
        }
    }

    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let path = format!("/api/v1/{path}?{}", query.finish());
        let answer = http::get(self.address, &path, &[]);
        let mut json: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["status"], "success", "{path}: {json}");
        serde_json::from_value(json["data"]["result"].take()).unwrap()
    }

    /// The value of a query's only series; `None` if there is none.
    fn value(&self, query: &str) -> Option<f64> {
        let result = self.ask("query", &[("query", query)]);
        assert!(result.len() <= 1, "{query}: {result:?}");
        Some(number(&result.first()?["value"][1]))
    }

    fn expect(&self, query: &str, low: f64, high: f64) {
        let value = self.value(query);
        let is_within = value.is_some_and(|value| (low..=high).contains(&value));
        assert!(is_within, "{query}: {value:?}, not in {low}..={high}");
    }

    /// Returns the values of a query for every second between two times.
    fn range(&self, query: &str, from: f64, to: f64) -> Vec<f64> {
        let (start, end) = (from.to_string(), to.to_string());
        let parameters = [
            ("query", query),
            ("start", &*start),
            ("end", &*end),
            ("step", "1"),
        ];
        let result = self.ask("query_range", &parameters);
        let points = result[0]["values"].as_array().unwrap().iter();
        points.map(|point| number(&point[1])).collect()
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// Lets workers count for a time, and replaces one of them every two seconds: alternately it is killed and ends by
/// itself. Returns how many requests they counted.
fn drive(root: &Path, agent: &Agent) -> u64 {
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(root)).collect();
    let (start, mut sent, mut replaced) = (Instant::now(), 0, 0);
    while start.elapsed() < DRIVE {
        let due = (start.elapsed().as_secs_f64() * RATE) as u64;
        let worker = sent as usize % workers.len();
        workers[worker].count(sent, due - sent);
        sent = due;
        if start.elapsed().as_secs() / 2 > replaced {
            replaced += 1;
            let worker = workers.remove(0);
            workers.push(Worker::start(root));
            if replaced % 2 == 0 {
                // The file of a process that exits cleanly is removed, and what the agent has not read of it is lost.
                poll("the agent to read all", PATIENCE, || {
                    let page = agent.get("/metrics", &[]);
                    let total = format!("\nload_requests_total {sent}\n");
                    page.text().contains(&total).then_some(())
                });
                worker.end();
            } else {
                worker.kill();
            }
        }
        // The interval between pieces of work.
        std::thread::sleep(Duration::from_millis(50));
    }
    sent
}

fn unix_now() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs_f64()
}

#[test]
fn queries_give_the_truth_while_workers_are_restarted() {
    if is_missing(Command::new("prometheus").arg("--version"), PROMETHEUS) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let stats = root.path().join("stats");
    let agent = Agent::start(&stats);
    let classic = Server::start(&root.path().join("classic"), &agent, false);
    let native = Server::start(&root.path().join("native"), &agent, true);
    // It takes seconds to find its targets.
    for server in [&classic, &native] {
        poll("the first scrape", PATIENCE, || server.value("up"));
    }
    let begin = unix_now();
    let requests = drive(&stats, &agent);
    let end = unix_now();

    for server in [&classic, &native] {
        // Scraped after the end of the work.
        poll("the last scrape", PATIENCE, || {
            let time = server.value("timestamp(load_requests_total)")?;
            (time > end + 1.5).then_some(())
        });
        server.expect("load_requests_total", requests as f64, requests as f64);
        server.expect("min_over_time(up[1m])", 1.0, 1.0);
        server.expect("resets(load_requests_total[1m])", 0.0, 0.0);
        // A reset would be a spike of thousands. Apart from resets, a busy machine makes the work and the scrapes
        // uneven.
        let rates = server.range("rate(load_requests_total[5s])", begin + 6.0, end);
        assert!(rates.len() > 4, "{rates:?}");
        assert!(
            rates
                .iter()
                .all(|rate| (0.6 * RATE..1.4 * RATE).contains(rate)),
            "{rates:?}"
        );
        let increases = server.range("increase(load_requests_total[10s])", end, end);
        assert!(
            (8.0 * RATE..12.0 * RATE).contains(&increases[0]),
            "{increases:?}"
        );
    }

    let mut times: Vec<u64> = (0..requests).map(worker::nanoseconds).collect();
    times.sort_unstable();
    let sum = times.iter().map(|&time| time as f64).sum::<f64>() / 1e9;
    let sum = (sum * (1.0 - 1e-9), sum * (1.0 + 1e-9));
    let count = requests as f64;
    classic.expect("load_response_time_seconds_count", count, count);
    classic.expect("load_response_time_seconds_sum", sum.0, sum.1);
    native.expect("histogram_count(load_response_time_seconds)", count, count);
    native.expect("histogram_sum(load_response_time_seconds)", sum.0, sum.1);
    // Every bucket is exact.
    let buckets = classic.ask("query", &[("query", "load_response_time_seconds_bucket")]);
    assert!(buckets.len() > 50);
    for bucket in buckets {
        let bound = (number(&bucket["metric"]["le"]) * 1e9).round();
        let up_to = times.partition_point(|&time| time as f64 <= bound);
        assert_eq!(number(&bucket["value"][1]), up_to as f64, "{bucket}");
    }
    for q in [0.1, 0.5, 0.9, 0.99] {
        let truth = times[(q * count).ceil() as usize - 1] as f64 / 1e9;
        // What src/export promises: bounds.rs and native.rs.
        for (server, series, factor) in [
            (&classic, "load_response_time_seconds_bucket", 1.5),
            (&native, "load_response_time_seconds", 1.049),
        ] {
            let query = format!("histogram_quantile({q}, {series})");
            server.expect(&query, truth / factor, truth * factor);
            // For a part of the time the true value is nearly the same: the values are spread evenly.
            let query = format!("histogram_quantile({q}, rate({series}[10s]))");
            let rated = server.range(&query, end, end)[0];
            let factor = factor * 1.02;
            assert!(
                (truth / factor..=truth * factor).contains(&rated),
                "{query}: {rated}, not {truth}"
            );
        }
    }
}

/// What Prometheus 3 requests, with native histograms and without.
#[test]
fn answers_are_of_the_type_that_prometheus_3_asks_for() {
    let root = tempfile::tempdir().unwrap();
    let agent = Agent::start(root.path());
    let rest = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let first = format!("{protobuf};q=0.7,{rest}");
    let text = "text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3";
    for (accept, kind, parts) in [
        (
            rest,
            "application/openmetrics-text",
            ["version=1.0.0", "escaping=allow-utf-8"],
        ),
        (
            &first,
            "application/vnd.google.protobuf",
            ["encoding=delimited", "escaping=underscores"],
        ),
        (
            text,
            "text/plain",
            ["version=1.0.0", "escaping=underscores"],
        ),
    ] {
        for is_zipped in [false, true] {
            let encoding = if is_zipped { "gzip" } else { "identity" };
            let headers = [
                ("Accept", accept),
                ("Accept-Encoding", encoding),
                ("X-Prometheus-Scrape-Timeout-Seconds", "10"),
            ];
            let answer = agent.get("/metrics", &headers);
            assert_eq!(answer.status, 200);
            let mut content_type = answer.header("content-type").split("; ");
            assert_eq!(content_type.next(), Some(kind));
            let given: Vec<_> = content_type.collect();
            assert!(parts.iter().all(|part| given.contains(part)), "{given:?}");
            if !is_zipped {
                assert_eq!(answer.header("content-encoding"), "");
                continue;
            }
            assert_eq!(answer.header("content-encoding"), "gzip");
            let unzipped = crate::run(Command::new("gzip").arg("-dc"), &answer.body);
            assert!(unzipped.status.success(), "{unzipped:?}");
            let page = String::from_utf8_lossy(&unzipped.stdout);
            assert!(page.contains("mmstats_bad_files"), "{page}");
        }
    }
}
