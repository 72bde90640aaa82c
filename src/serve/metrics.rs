//! `/metrics`: negotiates the format with a server, and makes the pages.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Shared;
use super::agent::Agent;
use super::request::{Query, RequestError, blocking};
use super::totals::Reading;
use crate::Number;
use crate::export::{Escaping, Families, TextFormat, protobuf};
use crate::reader::sources::Read;
use crate::reader::{Model, Per, Snapshot, State as FileState};

/// How long a server is assumed to wait if it does not say.
const DEADLINE: Duration = Duration::from_secs(25);
/// The share of a server's time that the page may take; the rest is for its transfer.
const FOR_THE_WAY: f64 = 0.9;

/// A negotiated format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// OpenMetrics; whether it is 1.0.0.
    OpenMetrics {
        is_first: bool,
        escaping: Escaping,
    },
    /// Text; whether it is 1.0.0.
    Text {
        is_first: bool,
        escaping: Escaping,
    },
    Protobuf {
        escaping: Escaping,
    },
}

impl Format {
    /// Returns the supported format that an Accept header prefers. If there is none, text 0.0.4, as in every
    /// exporter.
    fn negotiate(accept: &str) -> Format {
        let mut best: Option<(f64, Format)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(String, String)> = parts
                .filter_map(|part| part.split_once('='))
                .map(|(key, value)| {
                    (
                        key.trim().to_ascii_lowercase(),
                        value.trim().trim_matches('"').to_owned(),
                    )
                })
                .collect();
            let get = |key: &str| {
                let found = parameters.iter().find(|(name, _)| name == key);
                found.map(|(_, value)| &**value)
            };
            let weight: f64 = get("q").and_then(|q| q.parse().ok()).unwrap_or(1.0);
            let escaping = get("escaping").and_then(Escaping::of).unwrap_or_default();
            let format = match (&*media, get("version")) {
                ("application/openmetrics-text", version) => match version {
                    None | Some("0.0.1") => Format::OpenMetrics {
                        is_first: false,
                        escaping,
                    },
                    Some("1.0.0") => Format::OpenMetrics {
                        is_first: true,
                        escaping,
                    },
                    Some(_) => continue,
                },
                ("text/plain", version) => match version {
                    None | Some("0.0.4") => Format::Text {
                        is_first: false,
                        escaping,
                    },
                    Some("1.0.0") => Format::Text {
                        is_first: true,
                        escaping,
                    },
                    Some(_) => continue,
                },
                ("*/*" | "text/*", _) => Format::Text {
                    is_first: false,
                    escaping,
                },
                ("application/vnd.google.protobuf", _)
                    if get("proto") == Some("io.prometheus.client.MetricFamily")
                        && get("encoding") == Some("delimited") =>
                {
                    Format::Protobuf { escaping }
                }
                _ => continue,
            };
            // The first one of equal weight.
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, format));
            }
        }
        best.map_or(
            Format::Text {
                is_first: false,
                escaping: Escaping::default(),
            },
            |(_, format)| format,
        )
    }

    fn content_type(self) -> String {
        match self {
            Format::OpenMetrics {
                is_first: true,
                escaping,
            } => format!(
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping={}",
                escaping.name()
            ),
            Format::OpenMetrics { .. } => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8".to_owned()
            }
            Format::Text {
                is_first: true,
                escaping,
            } => {
                format!(
                    "text/plain; version=1.0.0; charset=utf-8; escaping={}",
                    escaping.name()
                )
            }
            Format::Text { .. } => "text/plain; version=0.0.4; charset=utf-8".to_owned(),
            Format::Protobuf { escaping } => format!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping={}",
                escaping.name()
            ),
        }
    }

    fn page(self, families: Families, created: bool) -> Bytes {
        let text = |is_openmetrics, escaping| TextFormat {
            is_openmetrics,
            escaping,
            created,
        };
        match self {
            Format::OpenMetrics { escaping, .. } => text(true, escaping).page(families).into(),
            Format::Text { escaping, .. } => text(false, escaping).page(families).into(),
            Format::Protobuf { escaping } => protobuf::page(families, escaping).into(),
        }
    }
}

/// The pages of the last reading.
#[derive(Debug)]
pub struct Pages {
    created: bool,
    last: Mutex<(u64, Vec<(PageKey, Bytes)>)>,
}

/// Identifies a page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PageKey {
    format: Format,
    per: Per,
    model: Option<String>,
}

/// The maximum number of pages of one reading that are kept, by format and model.
const PAGES_MOST: usize = 16;

impl Pages {
    /// Makes an empty cache.
    pub fn new(created: bool) -> Pages {
        Pages {
            created,
            last: Mutex::default(),
        }
    }

    /// Returns the page, which is made anew for a new reading. Pages that keep processes or files apart are not kept.
    fn page(&self, agent: &Agent, wanted: PageKey) -> Bytes {
        let families = || Families::new(matches!(wanted.format, Format::Protobuf { .. }));
        if wanted.per != Per::Model {
            let read = agent.apart(wanted.per);
            let families = apart(families(), &read, &wanted, agent);
            return wanted.format.page(families, self.created);
        }
        let reading = agent.reading();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != reading.number {
            *last = (reading.number, Vec::new());
        }
        if let Some((_, page)) = last.1.iter().find(|(of, _)| *of == wanted) {
            return page.clone();
        }
        // Requests for the same page wait for it, and so do those for another page.
        let page = wanted
            .format
            .page(merged(families(), &reading, &wanted, agent), self.created);
        if last.1.len() < PAGES_MOST {
            last.1.push((wanted, page.clone()));
        }
        page
    }
}

/// Adds the merged series with their totals.
fn merged(mut families: Families, reading: &Reading, wanted: &PageKey, agent: &Agent) -> Families {
    let is_wanted = |model: &str| wanted.model.as_ref().is_none_or(|wanted| wanted == model);
    for shown in reading.series().filter(|shown| is_wanted(shown.model)) {
        let path = shown.path.to_string_lossy();
        families.add(shown.model, shown.export, &path, shown.series, &[]);
    }
    add_files(
        &mut families,
        &reading.snapshots,
        reading.failures.len(),
        is_wanted,
    );
    add_processes(&mut families, agent);
    families
}

/// Adds the values of each process or file.
fn apart(mut families: Families, read: &Read, wanted: &PageKey, agent: &Agent) -> Families {
    let is_wanted = |model: &str| wanted.model.as_ref().is_none_or(|wanted| wanted == model);
    let (snapshots, failures) = read;
    for snapshot in snapshots {
        let path = snapshot.path().to_string_lossy();
        for model in snapshot
            .models()
            .iter()
            .filter(|model| is_wanted(model.name()))
        {
            families.add_model(model, &path, &whose(model));
        }
    }
    add_files(&mut families, snapshots, failures.len(), is_wanted);
    add_processes(&mut families, agent);
    families
}

/// Returns the labels that identify the process or file of a model's part.
fn whose(model: &Model) -> Vec<(&'static str, String)> {
    let mut labels = match model.process() {
        Some(process) => vec![("pid", process.pid().to_string())],
        // Totals of processes that have ended.
        None => vec![("pid", "retired".to_owned())],
    };
    if let Some(file) = model.file() {
        labels.push(("tid", file.tid().to_string()));
    }
    labels
}

/// Adds the number of files, and of files that cannot be read.
fn add_files(
    families: &mut Families,
    snapshots: &[Snapshot],
    failures: usize,
    is_wanted: impl Fn(&str) -> bool,
) {
    const STATES: [FileState; 4] = [
        FileState::Live,
        FileState::Orphan,
        FileState::Dead,
        FileState::Unknown,
    ];
    let mut counts: std::collections::BTreeMap<&str, [i128; 4]> = Default::default();
    for file in snapshots.iter().flat_map(|snapshot| snapshot.files()) {
        if is_wanted(file.model()) {
            let of_model = counts.entry(file.model()).or_default();
            let place = STATES.iter().position(|state| *state == file.state());
            of_model[place.unwrap_or(3)] += 1;
        }
    }
    for (model, counts) in counts {
        for (state, count) in STATES.iter().zip(counts) {
            families.add_number(
                "mmstats_files",
                (false, ""),
                "Stats files of a model, by state: live, orphan (its thread has ended), dead (its process has), unknown.",
                &[("model", model.to_owned()), ("state", state.name().to_owned())],
                Number::Int(count),
            );
        }
    }
    let bad = snapshots
        .iter()
        .map(|snapshot| snapshot.errors().len())
        .sum::<usize>()
        + failures;
    families.add_number(
        "mmstats_bad_files",
        (false, ""),
        "Files and directories that cannot be read: `mmstats check` says why.",
        &[],
        Number::Int(bad as i128),
    );
}

/// Adds the figures from /proc of the living processes.
fn add_processes(families: &mut Families, agent: &Agent) {
    agent.with_processes(|processes| {
        processes.figures(|pid, exe, figures| {
            let labels = [("pid", pid.to_string()), ("exe", exe.to_owned())];
            let mut add = |name: &str, is_counter, unit, help: &str, value: Option<Number>| {
                if let Some(value) = value {
                    families.add_number(name, (is_counter, unit), help, &labels, value);
                }
            };
            add(
                "process_cpu_seconds",
                true,
                "seconds",
                "Processor time in user and kernel mode.",
                Some(Number::Float(figures.cpu_seconds)),
            );
            add(
                "process_resident_memory_bytes",
                false,
                "bytes",
                "Resident memory.",
                Some(Number::Int(figures.resident_bytes.into())),
            );
            add(
                "process_open_fds",
                false,
                "",
                "Open file descriptors.",
                figures.open_fds.map(|open| Number::Int(open.into())),
            );
            add(
                "process_start_time_seconds",
                false,
                "seconds",
                "When the process started, in seconds since 1970-01-01 UTC.",
                figures.started.map(Number::Float),
            );
        });
    });
}

pub async fn metrics(
    State(shared): State<Shared>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, RequestError> {
    let query = Query::new(raw.as_deref());
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let wanted = PageKey {
        format: Format::negotiate(&accept.join(",")),
        per: query.per()?,
        model: query.get("model").map(str::to_owned),
    };
    let content_type = wanted.format.content_type();
    let Shared { agent, pages } = shared;
    let page = blocking(move || pages.page(&agent, wanted));
    let page = timeout(deadline(&headers), page).await.map_err(|_| {
        let late = "the page would take longer than the scrape timeout".to_owned();
        RequestError(StatusCode::SERVICE_UNAVAILABLE, late)
    })??;
    let headers = [
        (CONTENT_TYPE, content_type),
        (VARY, "Accept, Accept-Encoding".to_owned()),
    ];
    Ok((headers, page).into_response())
}

/// Returns how long the page may take, from the time that the server says it waits.
fn deadline(headers: &HeaderMap) -> Duration {
    let header = headers.get("x-prometheus-scrape-timeout-seconds");
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    let waits = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds * FOR_THE_WAY).ok());
    waits.unwrap_or(DEADLINE).min(DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_get_what_they_want_most() {
        let of = |accept| Format::negotiate(accept).content_type();
        // Prometheus 2.42.
        assert_eq!(
            of(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
        );
        // Prometheus 3.
        assert_eq!(
            of(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        );
        // With native histograms.
        assert!(
            of("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1")
                .starts_with("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily")
        );
        let plain = "text/plain; version=0.0.4; charset=utf-8";
        for accept in [
            "",
            "*/*",
            "text/html",
            "application/json;q=0.9",
            "text/plain;version=9",
            "q=;;,,",
        ] {
            assert_eq!(of(accept), plain, "{accept}");
        }
        assert_eq!(
            of("text/plain;version=1.0.0;escaping=dots"),
            "text/plain; version=1.0.0; charset=utf-8; escaping=dots"
        );
        assert_eq!(of("application/openmetrics-text;q=0,text/plain"), plain);
    }
}
