//! The past: what the agent itself has seen, an hour by the second and a day by the minute.
//!
//! Each series has its points in chunks of a minute (or an hour), encoded. Points are numbered, and when each was is kept
//! once for all series. A chunk that is older than what is to be kept goes as a whole; where all of them take more memory
//! than they may, the oldest go earlier.

mod point;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::point::Point;
use super::totals::{Reading, Shown};
use crate::Value;

/// Points of a chunk.
const CHUNK: u64 = 60;
/// Series whose past is kept; of others only what they say now is shown.
const SERIES_MOST: usize = 20_000;
/// What a series and a chunk take beside their bytes, about.
const SERIES_BYTES: usize = 400;
const CHUNK_BYTES: usize = 64;

/// The past of all series.
#[derive(Debug)]
pub struct Past {
    seconds: Level,
    minutes: Level,
    /// The reading of the last minute.
    minute: Option<Arc<Reading>>,
    /// Bytes that all points may take.
    memory: usize,
}

/// The past in one interval.
#[derive(Debug)]
struct Level {
    interval: Duration,
    /// How many points are kept.
    most: u64,
    /// When the points were, in seconds since 1970-01-01 UTC; the first one has the number `first`.
    times: VecDeque<f64>,
    first: u64,
    series: HashMap<Name, Track>,
    bytes: usize,
}

/// The name of a series: path, model, label, and part of its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    path: Arc<Path>,
    model: Arc<str>,
    label: Arc<str>,
    part: Arc<str>,
}

/// What is known of a series, and its points.
#[derive(Debug)]
struct Track {
    about: Arc<About>,
    chunks: VecDeque<Chunk>,
    last: f64,
}

/// What does not change of a series.
#[derive(Clone, Debug)]
pub struct About {
    /// Its model.
    pub model: String,
    /// Its label text; with the name of the field if it is one of a compound.
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
    /// Whether its value is a total, of which the rise is shown.
    pub is_total: bool,
    /// What the octaves' bounds are divided by.
    pub divisor: f64,
}

/// Points one after another.
#[derive(Debug)]
struct Chunk {
    /// The number of the first.
    first: u64,
    count: u64,
    bytes: Vec<u8>,
}

/// The points of a series in a time.
#[derive(Debug)]
pub struct Line {
    /// Which series.
    pub about: Arc<About>,
    /// The points with their times, oldest first.
    pub points: Vec<(f64, Point)>,
}

impl Past {
    /// Nothing yet: of so much time by the second, and a day by the minute, in so many bytes.
    pub fn new(keep: Duration, memory: usize) -> Past {
        let seconds = keep.as_secs().max(CHUNK);
        Past {
            seconds: Level::new(Duration::from_secs(1), seconds),
            minutes: Level::new(Duration::from_secs(60), 24 * 60),
            minute: None,
            memory,
        }
    }

    /// Keeps what a reading says, one second after the one `before`.
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

    /// What the series that are `wanted` said from one time to another (seconds since 1970-01-01 UTC) and at the
    /// point before, and the interval of their points: a second as far as that is kept, else a minute.
    pub fn lines(
        &self,
        (from, until): (f64, f64),
        wanted: impl Fn(&About) -> bool,
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
            if shown.value.count().is_some() {
                values.insert((shown.path, shown.model, shown.series.label()), shown.value);
            }
        }
        for shown in now.series().filter(|shown| shown.is_there) {
            let before = values.get(&(shown.path, shown.model, shown.series.label()));
            point::points(shown.value, before.copied(), |part, is_total, point| {
                self.push(number, shown, part, is_total, point);
            });
        }
        self.forget(self.most);
    }

    fn push(&mut self, number: u64, shown: Shown<'_>, part: &str, is_total: bool, point: Point) {
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
                about: Arc::new(About::of(shown, part, is_total)),
                chunks: VecDeque::new(),
                last: 0.0,
            }
        });
        if track.about.kind != shown.series.kind() {
            // Its kind has changed: what it was is told as what it is now, but not in one chunk.
            track.about = Arc::new(About::of(shown, part, is_total));
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

    /// Keeps no more than so many points.
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

    fn points(&self, track: &Track, from: f64, until: f64) -> Vec<(f64, Point)> {
        let mut points = Vec::new();
        for chunk in &track.chunks {
            let (mut bytes, mut before) = (&chunk.bytes[..], 0.0);
            for number in chunk.first..chunk.first + chunk.count {
                let Some(point) = Point::decode(before, &mut bytes) else {
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

impl About {
    fn of(shown: Shown<'_>, part: &str, is_total: bool) -> About {
        let series = shown.series;
        let label = match part {
            "" => series.label().to_owned(),
            part => format!("{}{}{part}", series.label(), shown.value.separator()),
        };
        About {
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
