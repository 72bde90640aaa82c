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
/// Its identity is data: [`prefix`](Self::prefix), [`group`](Self::group) or [`labels`](Self::labels),
/// and [`metric`](Self::metric). [`label`](Self::label) is the text that people read, and by which it is
/// looked up.
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

/// Where a series comes from: what its file says of it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub plan: Arc<Plan>,
    /// Its number in the plan.
    pub metric: u32,
    pub identity: Arc<Identity>,
    /// What was said of it after its schema was written.
    pub described: Option<Arc<Description>>,
    /// From when it counts: nanoseconds since 1970-01-01 UTC.
    pub since: u64,
    /// Of what one file has of a group that can be removed: which one it is.
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

    /// Of what one file has of a group that can be removed: tells it from one that comes later under its name.
    #[cfg(feature = "push")]
    pub(crate) fn incarnation(&self) -> Option<(u64, u64)> {
        self.origin.incarnation
    }

    /// The same series with another value, and without a window.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn with_value(&self, value: Value) -> Series {
        Series::new(Arc::clone(&self.label), value, self.origin.clone())
    }

    /// Whether its value is a count, or has one: it only rises while its files are there.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn counts(&self) -> bool {
        registry::of(&self.value).since.is_some()
    }

    /// Its value with what was `counted` besides it, in files that are gone. Of a kind that does not count: its
    /// value.
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

    /// The same series with what was `counted` besides it, in files that are gone, from `since` on if that is earlier.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn with_counted_since(&self, counted: &Value, since: SystemTime) -> Series {
        let mut series = self.with_value(self.with_counted(counted));
        series.origin.since = (since.duration_since(SystemTime::UNIX_EPOCH))
            .ok()
            .and_then(|since| u64::try_from(since.as_nanos()).ok())
            .map_or(self.origin.since, |since| since.min(self.origin.since));
        series
    }

    /// The same series without what is `counted` elsewhere.
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

    /// Of a value of this series what counts: of a compound the fields that are counters.
    #[cfg(any(feature = "serve", feature = "push"))]
    pub(crate) fn counted_part(&self, value: &Value) -> Value {
        let kind = registry::of(value);
        let mut counted = value.clone();
        if let Some(since) = kind.since {
            since(&mut counted, &(kind.none)(self.schema()));
        }
        counted
    }

    /// What was counted that is in no file any more: what this series had and the `delta` until now, less what there
    /// is `now`. `None` where that is nothing.
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

    /// Nothing counted, as its metric has it; `None` where it does not count.
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

    /// Its label text: `<prefix><group>.<metric>`, or `<prefix><metric>{key="value",…}` with labels, sorted by key
    /// and escaped as in the Prometheus text format. Unique within its [`Model`](super::Model).
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

    /// The name of its metric, without prefix, group and labels. That of another model in the same struct
    /// has the field's name in it: `db.queries`. Empty where the prefix or the group is all of the name.
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

    /// What comes before the group or the metric in its label, with a dot at the end where there is one; or
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

    /// The name of its group, if it is of one that has a name.
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

    /// The key under which exporters show the group's name: `group`, or what the model says
    /// (`#[mmstats(group_label = "handler")]`). It means nothing without a [`group`](Self::group).
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

    /// The labels of its group, sorted by key: of one that has labels rather than a name. Values are not
    /// escaped.
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

    /// The value of one label, or the name of its group where the key is that of [`group_label`](Self::group_label):
    /// what exporters show under this key.
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

    /// The name of its kind, as in JSON: `counter`, `timer`, …
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

    /// Its value.
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

    /// Of what it is a number, or empty. Of a timer: seconds, in which its exposed values are.
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

    /// What it means, or empty.
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

    /// How the values of several files become one. Of a flag, which is true where any is: the largest.
    /// A compound has a rule for each field, of which this says nothing: see [`Value::expose`].
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
            // Their schemas do not say it.
            code::FLAG => Merge::Max,
            code::TEXT | code::CONSTANT => Merge::Latest,
            _ => schema.merge,
        }
    }

    /// From when it counts: when the earliest of the files was created that were merged into it, or of those
    /// that were folded into them. Of [deltas](super::Model::deltas): when the snapshot before began. A file
    /// that does not say so (one of python-mmstats that is half-built) has 1970-01-01.
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

    /// What was recorded in the last time, if the metric has a window.
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

    /// What its value and its window expose beside the value itself: name and value. Computed at the first
    /// call and kept, which takes some 100 bytes for each: of a compound with many numbers
    /// [`expose`](Self::expose) is the cheaper way.
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

    /// Calls `each` with name and value of everything that its value and its window expose beside the value
    /// itself. Nothing is kept.
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

    /// Calls `each` with everything that its value and its window say, part by part and in their units: see
    /// [`Value::samples`].
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
