//! One metric of one model and group, with its value.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use crate::format::description::Description;
use crate::format::schema::{Merge, MetricSchema};
use crate::metric::Value;
use crate::metric::kind::code;
#[cfg(any(feature = "serve", feature = "push"))]
use crate::metric::registry;
#[cfg(any(feature = "serve", feature = "push"))]
use crate::metric::sample::Reading;
use crate::metric::sample::Sample;
use crate::metric::value::WindowValue;
use crate::reader::identity::Identity;
use crate::reader::plan::{Plan, PlannedMetric};

/// One metric of one model and group, with its value.
///
/// Its identity is data: [`prefix`](Self::prefix), [`group`](Self::group) or [`labels`](Self::labels), and
/// [`metric`](Self::metric). [`label`](Self::label) is the text for people and for look-ups.
///
/// `Display` prints label and value as `mmstats show` does, escaped for terminals.
///
/// ```no_run
/// # let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
/// for series in snapshot.models().iter().flat_map(|model| model.series()) {
///     println!("{series}"); // body_size  count 1  mean 512 B  …
/// }
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Series {
    label: Arc<str>,
    value: Value,
    origin: Origin,
    window: Option<Box<WindowValue>>,
    exposed: OnceLock<Box<[(String, Value)]>>,
}

/// Where a series comes from, and how its file describes it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub plan: Arc<Plan>,
    /// Its number in the plan.
    pub metric: u32,
    pub identity: Arc<Identity>,
    /// A description that was added after its schema was written.
    pub described: Option<Arc<Description>>,
    /// The time from which it counts, in nanoseconds since 1970-01-01 UTC.
    pub since: u64,
    /// For one file's part of a group that can be removed: which incarnation it is.
    #[cfg(feature = "push")]
    pub incarnation: Option<(u64, u64)>,
}

impl Series {
    pub(in crate::reader) fn new(label: Arc<str>, value: Value, origin: Origin) -> Series {
        Series {
            label,
            value,
            origin,
            window: None,
            exposed: OnceLock::new(),
        }
    }

    pub(in crate::reader) fn set_window(&mut self, window: Box<WindowValue>) {
        self.window = Some(window);
    }

    /// For one file's part of a group that can be removed: distinguishes it from a later group with the same
    /// name.
    #[cfg(feature = "push")]
    pub(crate) fn incarnation(&self) -> Option<(u64, u64)> {
        self.origin.incarnation
    }

    /// Returns the same series with another value, and without a window.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn with_value(&self, value: Value) -> Series {
        Series::new(Arc::clone(&self.label), value, self.origin.clone())
    }

    /// Returns whether its value is a count or contains one. Such a value only rises as long as its files
    /// exist.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn counts(&self) -> bool {
        registry::of(&self.value).since.is_some()
    }

    /// Returns its value plus what was `counted` in files that are gone. For a kind that does not count,
    /// returns the value as it is.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn with_counted(&self, counted: &Value) -> Value {
        let kind = registry::of(&self.value);
        if kind.since.is_none() || counted.kind() != kind.name {
            return self.value.clone();
        }
        let mut sum = counted.clone();
        (kind.merge)(&mut sum, self.value.clone(), self.schema(), 1);
        sum
    }

    /// Returns the same series plus what was `counted` in files that are gone. It counts from `since` on, if
    /// that is earlier.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn with_counted_since(&self, counted: &Value, since: SystemTime) -> Series {
        let mut series = self.with_value(self.with_counted(counted));
        series.origin.since = (since.duration_since(SystemTime::UNIX_EPOCH))
            .ok()
            .and_then(|since| u64::try_from(since.as_nanos()).ok())
            .map_or(self.origin.since, |since| since.min(self.origin.since));
        series
    }

    /// Returns the same series less what is `counted` elsewhere.
    #[cfg(feature = "push")]
    pub(crate) fn without(&self, counted: &Value) -> Series {
        let kind = registry::of(&self.value);
        let mut value = self.value.clone();
        if let Some(since) = kind.since
            && counted.kind() == kind.name
        {
            since(&mut value, counted);
        }
        self.with_value(value)
    }

    /// Returns the part of a value of this series that counts; for a compound, the fields that are counters.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn counted_part(&self, value: &Value) -> Value {
        let kind = registry::of(value);
        let mut counted = value.clone();
        if let Some(since) = kind.since {
            since(&mut counted, &(kind.none)(self.schema()));
        }
        counted
    }

    /// Returns what was counted but is in no file any more: the value of this series plus the `delta` until
    /// now, less the value `now`. `None` if that is nothing.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn lost(&self, delta: Option<&Value>, now: &Value) -> Option<Value> {
        let kind = registry::of(&self.value);
        let since = kind.since?;
        if now.kind() != kind.name {
            return None;
        }
        let delta = delta.filter(|delta| delta.kind() == kind.name);
        if let (Some(before), Some(now)) = (self.value.count(), now.count()) {
            let delta = delta.and_then(Value::count).unwrap_or(0);
            if before.saturating_add(delta) <= now {
                return None;
            }
        }
        let mut lost = match delta {
            Some(delta) => self.with_counted(delta),
            None => self.value.clone(),
        };
        since(&mut lost, now);
        let mut any = false;
        lost.samples("", |sample| {
            any |= match sample.reading {
                Reading::Cumulative(number) => number.as_f64() > 0.0,
                Reading::Histogram(_) | Reading::Summary { .. } => true,
                _ => false,
            };
        });
        any.then_some(lost)
    }

    /// Returns the value of its metric with nothing counted; `None` if the metric does not count.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn nothing_counted(&self) -> Option<Value> {
        let metric = self.planned();
        metric.since().map(|_| metric.nothing())
    }

    fn planned(&self) -> &PlannedMetric {
        &self.origin.plan.metrics[self.origin.metric as usize]
    }

    fn schema(&self) -> &MetricSchema {
        &self.planned().schema
    }

    /// Returns its label text: `<prefix><group>.<metric>`, or `<prefix><metric>{key="value",…}` with labels,
    /// sorted by key and escaped as in the Prometheus text format. Unique within its [`Model`](super::Model).
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!(series.label(), r#"response_ok{handler="index",status="200"}"#);
    /// # }
    /// ```
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the name of its metric, without prefix, group and labels. A metric of a nested model includes
    /// the name of the field: `db.queries`. Empty if the prefix or the group is the whole name.
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!(series.metric(), "response_ok");
    /// # }
    /// ```
    pub fn metric(&self) -> &str {
        &self.schema().label
    }

    /// Returns what precedes the group or the metric in its label, including the dot at its end, if any; or
    /// empty.
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!((series.label(), series.prefix()), ("web.requests", "web."));
    /// # }
    /// ```
    pub fn prefix(&self) -> &str {
        &self.origin.identity.prefix
    }

    /// Returns the name of its group, if it belongs to a group with a name.
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!((series.label(), series.group()), ("index.response_ok", Some("index")));
    /// # }
    /// ```
    pub fn group(&self) -> Option<&str> {
        self.origin.identity.group()
    }

    /// Returns the key under which exporters show the group's name: `group`, or what the model states with
    /// `#[mmstats(group_label = "handler")]`. It means nothing without a [`group`](Self::group).
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// if let Some(group) = series.group() {
    ///     println!("{}={group:?}", series.group_label()); // handler="index"
    /// }
    /// # }
    /// ```
    pub fn group_label(&self) -> &str {
        self.origin.identity.group_label()
    }

    /// Returns the labels of its group, sorted by key, if the group has labels rather than a name. Values are
    /// not escaped.
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// for (key, value) in series.labels() {
    ///     println!("{key}={value:?}"); // status="200"
    /// }
    /// # }
    /// ```
    pub fn labels(&self) -> &[(String, String)] {
        self.origin.identity.labels()
    }

    /// Returns what exporters show under this key: the value of a label, or the name of its group if the key
    /// is [`group_label`](Self::group_label).
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!(series.label_value("handler"), Some("index"));
    /// # }
    /// ```
    pub fn label_value(&self, key: &str) -> Option<&str> {
        match self.labels().iter().find(|(known, _)| known == key) {
            Some((_, value)) => Some(value),
            None => self.group().filter(|_| self.group_label() == key),
        }
    }

    /// Returns the name of its kind, as in JSON: `counter`, `timer`, …
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) {
    /// assert_eq!(series.kind(), "counter");
    /// # }
    /// ```
    pub fn kind(&self) -> &'static str {
        self.value.kind()
    }

    /// Returns its value.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let series = model.series().iter().find(|series| series.label() == "requests").unwrap();
    /// assert_eq!(series.value().as_u64(), Some(7));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the unit of its value, or empty. For a timer this is seconds, the unit of its exposed values.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let series = model.series().iter().find(|series| series.label() == "body_size").unwrap();
    /// assert_eq!(series.unit(), "bytes");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn unit(&self) -> &str {
        let metric = self.planned();
        let described = self.origin.described.as_ref();
        let unit = described.map_or(&*metric.schema.unit, |described| &described.unit);
        metric.kind.unit.unwrap_or(unit)
    }

    /// Returns its help text, or empty.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let series = model.series().iter().find(|series| series.label() == "requests").unwrap();
    /// println!("{}: {}", series.label(), series.help());
    /// assert!(!series.help().is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn help(&self) -> &str {
        match &self.origin.described {
            Some(described) => &described.help,
            None => &self.schema().help,
        }
    }

    /// Returns how the values of several files are merged. For a flag, which is true if any file's is, this
    /// is the maximum. A compound has a rule for each field, which this does not return: see
    /// [`Value::expose`].
    ///
    /// ```no_run
    /// use mmstats::reader::{Merge, Series};
    ///
    /// fn may_be_added(series: &Series) -> bool {
    ///     series.merge() == Merge::Sum
    /// }
    /// ```
    pub fn merge(&self) -> Merge {
        let schema = self.schema();
        match schema.kind {
            // Schemas do not state a rule for these kinds.
            code::FLAG => Merge::Max,
            code::TEXT | code::CONSTANT => Merge::Latest,
            _ => schema.merge,
        }
    }

    /// Returns the time from which it counts: the creation time of the earliest file that was merged into it,
    /// or folded into one of these. For [deltas](super::Model::deltas) it is when the previous snapshot
    /// began. It is 1970-01-01 for a file that states no time (a half-built one of python-mmstats).
    ///
    /// ```no_run
    /// # use mmstats::reader::Series;
    /// # fn example(series: &Series) -> Result<(), std::time::SystemTimeError> {
    /// let seconds = series.since().elapsed()?.as_secs_f64();
    /// let per_second = series.value().as_f64().map(|value| value / seconds);
    /// # Ok(())
    /// # }
    /// ```
    pub fn since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.origin.since)
    }

    /// Returns what was recorded within its window, if the metric has one.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// for series in model.series() {
    ///     if let Some(window) = series.window() {
    ///         println!("{}: {} in {} s", series.label(), window.value(), window.seconds());
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn window(&self) -> Option<&WindowValue> {
        self.window.as_deref()
    }

    /// Returns what its value and its window expose beside the value itself, as pairs of name and value.
    /// Computed at the first call and kept, which takes some 100 bytes for each pair. For a compound with
    /// many numbers [`expose`](Self::expose) is cheaper.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let series = model.series().iter().find(|series| series.label() == "pool").unwrap();
    /// assert!(series.exposed().iter().any(|(name, _)| name == "open"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exposed(&self) -> &[(String, Value)] {
        self.exposed.get_or_init(|| {
            let mut exposed = Vec::new();
            self.expose(|name, value| exposed.push((name.to_owned(), value)));
            exposed.into()
        })
    }

    /// Calls `each` with the name and value of everything that its value and its window expose beside the
    /// value itself. Nothing is kept.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let pool = model.series().iter().find(|series| series.label() == "pool").unwrap();
    /// let mut names = Vec::new();
    /// pool.expose(|name, _| names.push(name.to_owned()));
    /// assert!(names.contains(&"open".to_owned()));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn expose(&self, mut each: impl FnMut(&str, Value)) {
        self.value.expose(&mut each);
        if let Some(window) = &self.window {
            window.expose(&mut each);
        }
    }

    /// Calls `each` with every sample of its value and its window, in their units: see [`Value::samples`].
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let requests = model.series().iter().find(|series| series.label() == "requests").unwrap();
    /// let mut parts = 0;
    /// requests.samples(|_| parts += 1);
    /// assert_eq!(parts, 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn samples(&self, mut each: impl FnMut(Sample<'_>)) {
        self.value.samples(self.unit(), &mut each);
        if let Some(window) = &self.window {
            window.samples(self.unit(), &mut each);
        }
    }

    pub(super) fn find_exposed(&self, name: &str) -> Option<&Value> {
        self.exposed()
            .iter()
            .find(|(exposed, _)| exposed == name)
            .map(|(_, value)| value)
    }
}
