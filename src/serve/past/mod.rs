//! The past: what the agent has seen, an hour by the second and a day by the minute.
//!
//! Each series stores its points in encoded chunks of a minute (or an hour). Points are numbered, and their times are
//! stored once for all series. A chunk that is older than what is to be kept is dropped as a whole. If all chunks
//! take more memory than allowed, the oldest are dropped earlier.

mod point;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::point::PastPoint;
use super::totals::{Reading, SeriesTotal};
use crate::Value;

/// The number of points in a chunk.
const CHUNK: u64 = 60;
/// The maximum number of series whose past is kept. Others are shown with their current values only.
const SERIES_MOST: usize = 20_000;
/// About how many bytes a series and a chunk take beside their points.
const SERIES_BYTES: usize = 400;
const CHUNK_BYTES: usize = 64;

/// The past of all series.
#[derive(Debug)]
pub struct Past {
    seconds: Level,
    minutes: Level,
    /// The reading of the last minute.
    minute: Option<Arc<Reading>>,
    /// The maximum number of bytes that all points may take.
    memory: usize,
}

/// The past with one interval between points.
#[derive(Debug)]
struct Level {
    interval: Duration,
    /// How many points are kept.
    most: u64,
    /// The times of the points, in seconds since 1970-01-01 UTC. The first point has the number `first`.
    times: VecDeque<f64>,
    first: u64,
    series: HashMap<Name, Track>,
    bytes: usize,
}

/// The name of a series: path, model, label and part of its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    path: Arc<Path>,
    model: Arc<str>,
    label: Arc<str>,
    part: Arc<str>,
}

/// The description of a series, and its points.
#[derive(Debug)]
struct Track {
    about: Arc<TrackInfo>,
    chunks: VecDeque<Chunk>,
    last: f64,
}

/// The description of a series, which does not change.
#[derive(Clone, Debug)]
pub struct TrackInfo {
    /// Its model.
    pub model: String,
    /// Its label text, with the name of the field for a field of a compound.
    pub label: String,
    /// The name of its metric.
    pub metric: String,
    /// The field of a compound, or empty.
    pub part: String,
    /// Its group's name.
    pub group: Option<String>,
    /// Its group's labels.
    pub labels: Vec<(String, String)>,
    /// Its kind.
    pub kind: &'static str,
    /// Its unit.
    pub unit: String,
    /// What it means.
    pub help: String,
    /// Whether its value is a total, which is shown as a rate.
    pub is_total: bool,
    /// The divisor for the bounds of octaves.
    pub divisor: f64,
}

/// Consecutive points.
#[derive(Debug)]
struct Chunk {
    /// The number of the first point.
    first: u64,
    count: u64,
    bytes: Vec<u8>,
}

/// The points of a series in a span of time.
#[derive(Debug)]
pub struct Line {
    /// Which series.
    pub about: Arc<TrackInfo>,
    /// The points with their times, oldest first.
    pub points: Vec<(f64, PastPoint)>,
}

impl Past {
    /// Makes an empty past, for `keep` by the second and a day by the minute, in at most `memory` bytes.
    pub fn new(keep: Duration, memory: usize) -> Past {
        let seconds = keep.as_secs().max(CHUNK);
        Past {
            seconds: Level::new(Duration::from_secs(1), seconds),
            minutes: Level::new(Duration::from_secs(60), 24 * 60),
            minute: None,
            memory,
        }
    }

    /// Adds a reading, one second after the one `before`.
    pub fn add(&mut self, now: &Arc<Reading>, before: Option<&Reading>) {
        self.seconds.add(now, before);
        let is_due = (self.minute.as_ref())
            .is_none_or(|minute| now.at.duration_since(minute.at) >= self.minutes.interval);
        if is_due {
            self.minutes.add(now, self.minute.as_deref());
            self.minute = Some(Arc::clone(now));
        }
        while self.seconds.bytes + self.minutes.bytes > self.memory {
            let longer = if self.seconds.times.len() > self.minutes.times.len() {
                &mut self.seconds
            } else {
                &mut self.minutes
            };
            let Some(shorter) = (longer.times.len() as u64)
                .checked_sub(CHUNK)
                .filter(|&n| n > 0)
            else {
                break;
            };
            longer.forget(shorter);
        }
    }

    /// Returns the interval between points, and the points of the series that are `wanted` from one time to another
    /// (seconds since 1970-01-01 UTC) with the point before. The interval is a second if that reaches back far
    /// enough, otherwise a minute.
    pub fn lines(
        &self,
        (from, until): (f64, f64),
        wanted: impl Fn(&TrackInfo) -> bool,
    ) -> (Duration, Vec<Line>) {
        let reaches = (self.seconds.times.front()).is_some_and(|&first| first <= from + 1.0);
        let is_all = self.minutes.times.front() >= self.seconds.times.front();
        let level = if reaches || is_all {
            &self.seconds
        } else {
            &self.minutes
        };
        let mut tracks: BTreeMap<&Name, &Track> = BTreeMap::new();
        tracks.extend(
            level
                .series
                .iter()
                .filter(|(_, track)| wanted(&track.about)),
        );
        let lines = tracks.into_values().map(|track| Line {
            about: Arc::clone(&track.about),
            points: level.points(track, from - 1.5 * level.interval.as_secs_f64(), until),
        });
        (level.interval, lines.collect())
    }
}

impl Level {
    fn new(interval: Duration, most: u64) -> Level {
        Level {
            interval,
            most,
            times: VecDeque::new(),
            first: 0,
            series: HashMap::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, now: &Reading, before: Option<&Reading>) {
        let number = self.first + self.times.len() as u64;
        self.times.push_back(now.time);
        let mut values: HashMap<(&Path, &str, &str), &Value> = HashMap::new();
        for shown in before.iter().flat_map(|before| before.series()) {
            let (label, value) = (shown.series.label(), shown.series.value());
            if value.count().is_some() {
                values.insert((shown.path, shown.model, label), value);
            }
        }
        for shown in now.series().filter(|shown| shown.is_there) {
            let before = values.get(&(shown.path, shown.model, shown.series.label()));
            point::points(
                shown.series.value(),
                before.copied(),
                |part, is_total, point| {
                    self.push(number, shown, part, is_total, point);
                },
            );
        }
        self.forget(self.most);
    }

    fn push(
        &mut self,
        number: u64,
        shown: SeriesTotal<'_>,
        part: &str,
        is_total: bool,
        point: PastPoint,
    ) {
        let name = Name {
            path: shown.path.into(),
            model: shown.model.into(),
            label: shown.series.label().into(),
            part: part.into(),
        };
        if self.series.len() >= SERIES_MOST && !self.series.contains_key(&name) {
            return;
        }
        let track = self.series.entry(name).or_insert_with(|| {
            self.bytes += SERIES_BYTES;
            Track {
                about: Arc::new(TrackInfo::of(shown, part, is_total)),
                chunks: VecDeque::new(),
                last: 0.0,
            }
        });
        if track.about.kind != shown.series.kind() {
            // Its kind has changed. Earlier points are now shown as the new kind, but new points begin a new chunk.
            track.about = Arc::new(TrackInfo::of(shown, part, is_total));
        }
        let is_next = |chunk: &Chunk| chunk.count < CHUNK && chunk.first + chunk.count == number;
        if !track.chunks.back().is_some_and(is_next) {
            track.chunks.push_back(Chunk {
                first: number,
                count: 0,
                bytes: Vec::new(),
            });
            track.last = 0.0;
            self.bytes += CHUNK_BYTES;
        }
        let chunk = track.chunks.back_mut().expect("just pushed");
        let length = chunk.bytes.capacity();
        point.encode(track.last, &mut chunk.bytes);
        track.last = point.value;
        chunk.count += 1;
        if chunk.count == CHUNK {
            chunk.bytes.shrink_to_fit();
        }
        self.bytes = (self.bytes + chunk.bytes.capacity()).saturating_sub(length);
    }

    /// Keeps at most `most` points.
    fn forget(&mut self, most: u64) {
        while self.times.len() as u64 > most {
            self.times.pop_front();
            self.first += 1;
        }
        let (first, bytes) = (self.first, &mut self.bytes);
        self.series.retain(|_, track| {
            while let Some(chunk) = track.chunks.front()
                && chunk.first + chunk.count <= first
            {
                *bytes = bytes.saturating_sub(CHUNK_BYTES + chunk.bytes.capacity());
                track.chunks.pop_front();
            }
            if track.chunks.is_empty() {
                *bytes = bytes.saturating_sub(SERIES_BYTES);
            }
            !track.chunks.is_empty()
        });
    }

    fn points(&self, track: &Track, from: f64, until: f64) -> Vec<(f64, PastPoint)> {
        let mut points = Vec::new();
        for chunk in &track.chunks {
            let (mut bytes, mut before) = (&chunk.bytes[..], 0.0);
            for number in chunk.first..chunk.first + chunk.count {
                let Some(point) = PastPoint::decode(before, &mut bytes) else {
                    break;
                };
                before = point.value;
                let at = number.checked_sub(self.first);
                let time = at.and_then(|at| self.times.get(at as usize));
                if let Some(&time) = time.filter(|&&time| from <= time && time <= until) {
                    points.push((time, point));
                }
            }
        }
        points
    }
}

impl TrackInfo {
    fn of(shown: SeriesTotal<'_>, part: &str, is_total: bool) -> TrackInfo {
        let series = shown.series;
        let label = match part {
            "" => series.label().to_owned(),
            part => format!("{}{}{part}", series.label(), series.value().separator()),
        };
        TrackInfo {
            model: shown.model.to_owned(),
            label,
            metric: series.metric().to_owned(),
            part: part.to_owned(),
            group: series.group().map(str::to_owned),
            labels: series.labels().to_vec(),
            kind: series.kind(),
            unit: series.unit().to_owned(),
            help: series.help().to_owned(),
            is_total,
            divisor: if series.kind() == "timer" { 1e9 } else { 1.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Writer;
    use crate::reader::Per;
    use crate::reader::sources::Sources;
    use crate::serve::totals::Totals;

    /// A past of `seconds`, of a counter and a timer that change all the time and `idle` counters that do not.
    fn past(keep: Duration, memory: usize, seconds: u64, idle: usize) -> Past {
        let root = tempfile::tempdir().unwrap();
        let writer = Writer::builder("model").path(root.path()).create().unwrap();
        let (counter, timer) = (
            writer.counter("counter").add().unwrap(),
            writer.timer("timer").add().unwrap(),
        );
        for n in 0..idle {
            writer.counter(&format!("idle_{n}")).add().unwrap();
        }
        let mut sources = Sources::new(&[root.path().to_owned()], Per::Model, true);
        let (mut totals, mut past) = (Totals::new(keep), Past::new(keep, memory));
        let (begin, mut before) = (Instant::now(), None);
        for second in 0..seconds {
            counter.add(second);
            (0..100).for_each(|n| timer.record(Duration::from_micros(1 << (n % 14))));
            let at = (begin + Duration::from_secs(second), 1e9 + second as f64);
            let reading = Arc::new(totals.reading(before.as_deref(), sources.read(), at));
            past.add(&reading, before.as_deref());
            before = Some(reading);
        }
        past
    }

    fn line(past: &Past, label: &str, last: f64, until: f64) -> (Duration, Vec<(f64, PastPoint)>) {
        let (interval, mut lines) = past.lines((until - last, until), |about| about.label == label);
        (interval, lines.remove(0).points)
    }

    #[test]
    fn the_last_time_is_kept_by_the_second_and_all_by_the_minute() {
        let past = past(Duration::from_secs(120), 1 << 20, 400, 0);
        let now = 1e9 + 399.0;
        let (interval, points) = line(&past, "counter", 100.0, now);
        assert_eq!(interval, Duration::from_secs(1));
        // With the one before, from which the first rate follows.
        assert_eq!((points.len(), points[0].0), (102, now - 101.0));
        let total = |second: f64| second * (second + 1.0) / 2.0;
        assert!(
            points
                .iter()
                .all(|(time, point)| point.value == total(time - 1e9))
        );
        let (interval, points) = line(&past, "counter", 390.0, now);
        assert_eq!(interval, Duration::from_secs(60));
        assert_eq!(
            points
                .iter()
                .map(|(time, _)| time - 1e9)
                .collect::<Vec<_>>(),
            [0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0]
        );
        let (_, points) = line(&past, "timer", 50.0, now);
        let (_, last) = points.last().unwrap();
        let count: u64 = last.octaves.iter().map(|(_, count)| count).sum();
        assert_eq!((last.value, count), (40_000.0, 100));
        let [p50, p90, p99] = last.percentiles.unwrap();
        assert!(
            (p50 / 64e-6 - 1.0).abs() < 0.01 && p90 > p50 && p99 >= p90,
            "{p50} {p90} {p99}"
        );
    }

    #[test]
    fn the_oldest_goes_where_all_take_more_than_they_may() {
        // Half of what all of it would take; the least that 52 series can take is 60,000.
        let memory = 120_000;
        let past = past(Duration::from_secs(3600), memory, 1000, 50);
        let taken = past.seconds.bytes + past.minutes.bytes;
        assert!(taken <= memory, "{taken}");
        let now = 1e9 + 999.0;
        let (_, points) = line(&past, "timer", 10.0, now);
        assert_eq!(points.len(), 12, "the newest stays");
        assert!(
            past.seconds.times.len() < 1000,
            "{}",
            past.seconds.times.len()
        );
    }
}
