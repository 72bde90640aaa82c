//! Values as readers return them.

use super::average::value::AverageValue;
use super::compound::value::CompoundValue;
use super::errors::value::{DistinctError, ErrorsValue};
use super::history::value::{HistoryEntry, HistoryValue};
use super::percentile::distribution::Distribution;
use super::percentile::float_distribution::FloatDistribution;
use super::sampling_counter::value::SamplingCounterValue;
use super::summary::value::SummaryValue;
use super::window;
use crate::format::scalar::Number;

/// The value of one label, from one file or merged over many.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A count that never falls.
    Counter(u64),
    /// A sum that rises and falls.
    UpDown(i64),
    /// A level. Also what a [`Distribution`] exposes, as in `response_time.Mean`.
    Gauge(Number),
    /// True or false.
    Flag(bool),
    /// A text.
    Text(String),
    /// A number that is set once.
    Constant(Number),
    /// A boolean that is set once.
    ConstantFlag(bool),
    /// A text that is set once.
    ConstantText(String),
    /// A distribution of durations, in nanoseconds.
    Timer(Box<Distribution>),
    /// A distribution of u64 values.
    Percentile(Box<Distribution>),
    /// A distribution of f64 values.
    FloatPercentile(Box<FloatDistribution>),
    /// The fields of a struct, all from one publication.
    Compound(CompoundValue),
    /// Count, total, mean, deviation, extremes and the last of f64 values.
    Summary(Box<SummaryValue>),
    /// The mean of all values.
    Average(AverageValue),
    /// The mean of the last values.
    MovingAverage(AverageValue),
    /// A count and its rate, sampled together.
    SamplingCounter(SamplingCounterValue),
    /// The last values, newest first.
    History(HistoryValue),
    /// Distinct errors.
    Errors(Box<ErrorsValue>),
    /// What a metric counted within its window. A snapshot returns it beside the metric's value:
    /// [`Series::window`](crate::reader::Series::window).
    Window(Box<WindowValue>),
}

impl Value {
    /// Returns the number, if the value is a single one. `None` also for an average of no values.
    ///
    /// ```
    /// # use mmstats::Value;
    /// let number = Value::Counter(7).number();
    /// assert_eq!(number, Some(mmstats::Number::Int(7)));
    /// assert_eq!(Value::Flag(true).number(), None);
    /// ```
    pub fn number(&self) -> Option<Number> {
        match *self {
            Value::Counter(n) => Some(Number::Int(n.into())),
            Value::UpDown(n) => Some(Number::Int(n.into())),
            Value::Gauge(n) | Value::Constant(n) => Some(n),
            Value::Average(a) | Value::MovingAverage(a) => a.average().map(Number::Float),
            _ => None,
        }
    }

    /// Returns the number as a u64, if it is a single non-negative integer that fits.
    ///
    /// ```
    /// # use mmstats::Value;
    /// assert_eq!(Value::Counter(7).as_u64(), Some(7));
    /// assert_eq!(Value::UpDown(-7).as_u64(), None);
    /// ```
    pub fn as_u64(&self) -> Option<u64> {
        self.number()?.as_u64()
    }

    /// Returns the number as an i64, if it is a single integer that fits.
    ///
    /// ```
    /// # use mmstats::Value;
    /// assert_eq!(Value::UpDown(-7).as_i64(), Some(-7));
    /// assert_eq!(Value::Counter(u64::MAX).as_i64(), None);
    /// ```
    pub fn as_i64(&self) -> Option<i64> {
        self.number()?.as_i64()
    }

    /// Returns the number as an f64, if it is a single one. Integers above 2⁵³ are rounded.
    ///
    /// ```
    /// # use mmstats::Value;
    /// assert_eq!(Value::Counter(7).as_f64(), Some(7.0));
    /// assert_eq!(Value::Flag(true).as_f64(), None);
    /// ```
    pub fn as_f64(&self) -> Option<f64> {
        self.number().map(Number::as_f64)
    }

    /// Returns the text, if the value is one.
    ///
    /// ```
    /// # use mmstats::Value;
    /// assert_eq!(Value::Text("1.4.2".to_owned()).as_str(), Some("1.4.2"));
    /// assert_eq!(Value::Counter(7).as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::ConstantText(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the boolean, if the value is one.
    ///
    /// ```
    /// # use mmstats::Value;
    /// assert_eq!(Value::Flag(true).as_bool(), Some(true));
    /// assert_eq!(Value::Counter(1).as_bool(), None);
    /// ```
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Flag(flag) | Value::ConstantFlag(flag) => Some(flag),
            _ => None,
        }
    }

    /// Returns the distribution of a Timer (in nanoseconds) or a Percentile.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.get("every-kind", "timers.response").and_then(|value| value.as_distribution());
    /// assert_eq!(times.and_then(|times| times.max()), Some(100_000_000)); // nanoseconds
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_distribution(&self) -> Option<&Distribution> {
        match self {
            Value::Timer(distribution) | Value::Percentile(distribution) => Some(distribution),
            _ => None,
        }
    }

    /// Returns the distribution of a `Percentile<f64>`.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/exemplars.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let ratios = snapshot.get("traced", "ratio").and_then(|value| value.as_float_distribution());
    /// assert_eq!(ratios.map(|ratios| ratios.count()), Some(3));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_float_distribution(&self) -> Option<&FloatDistribution> {
        match self {
            Value::FloatPercentile(distribution) => Some(distribution),
            _ => None,
        }
    }

    /// Returns the fields of a compound.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let pool = snapshot.get("every-kind", "pool").and_then(|value| value.as_compound()).unwrap();
    /// let (name, _, numbers) = pool.fields().nth(1).unwrap();
    /// assert_eq!((name, numbers[0].as_u64()), ("open", Some(3)));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_compound(&self) -> Option<&CompoundValue> {
        match self {
            Value::Compound(compound) => Some(compound),
            _ => None,
        }
    }

    /// Returns the numbers of a summary.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/summaries.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let tasks = snapshot.get("summaries", "tasks").and_then(|value| value.as_summary());
    /// assert_eq!(tasks.map(|tasks| tasks.count()), Some(3));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_summary(&self) -> Option<&SummaryValue> {
        match self {
            Value::Summary(summary) => Some(summary),
            _ => None,
        }
    }

    /// Returns an average and the count of its values.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/summaries.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let mean = snapshot.get("summaries", "no_mean").and_then(|value| value.as_average());
    /// assert_eq!(mean.map(|mean| mean.count()), Some(0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_average(&self) -> Option<&AverageValue> {
        match self {
            Value::Average(average) | Value::MovingAverage(average) => Some(average),
            _ => None,
        }
    }

    /// Returns the last values of a history.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.get("histories", "times").and_then(|value| value.as_history());
    /// assert_eq!(times.map(|times| times.entries().len()), Some(20));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_history(&self) -> Option<&HistoryValue> {
        match self {
            Value::History(history) => Some(history),
            _ => None,
        }
    }

    /// Returns the errors of an error log.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/histories.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let errors = snapshot.get("histories", "errors").and_then(|value| value.as_errors());
    /// assert_eq!(errors.map(|errors| errors.all()), Some(7));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn as_errors(&self) -> Option<&ErrorsValue> {
        match self {
            Value::Errors(errors) => Some(errors),
            _ => None,
        }
    }

    /// Returns the separator between a label and the name of a part that its value exposes: a dot, as in
    /// `pool.open`; for errors two underscores, as in `errors__all`.
    ///
    /// ```
    /// assert_eq!(mmstats::Value::Counter(3).separator(), ".");
    /// ```
    pub fn separator(&self) -> &'static str {
        match self {
            Value::Errors(_) => "__",
            _ => ".",
        }
    }

    /// Returns when the value was last changed, in seconds since 1970-01-01 UTC, if its kind records times.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.get("histories", "times").unwrap();
    /// assert!(times.stamp().is_some());
    /// assert_eq!(mmstats::Value::Counter(3).stamp(), None);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn stamp(&self) -> Option<f64> {
        match self {
            Value::Summary(summary) => summary.last_time(),
            Value::History(history) => history.entries().first().map(HistoryEntry::timestamp),
            Value::Errors(errors) => {
                let last = errors.distinct().iter().map(DistinctError::last_ns).max();
                last.map(|nanos| nanos as f64 / 1e9)
            }
            _ => None,
        }
    }
}

/// What a metric counted within its window, from one file or merged over many.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowValue {
    /// Length of the window in nanoseconds.
    pub(super) length: u64,
    /// What was counted within it.
    pub(super) value: Value,
    /// For a counter: how many nanoseconds ago counting began, if known.
    pub(super) reach: u64,
}

impl WindowValue {
    /// Returns the length of the window in seconds. The time that it covers is up to a twelfth shorter.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats, reader::Reader};
    /// # #[derive(MmStats)] #[mmstats(name = "web")] struct Web { #[mmstats(window = "60s")] requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// # web.requests.add(3);
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// let requests = &snapshot.model("web").unwrap().series()[0];
    /// let window = requests.window().unwrap();
    /// assert_eq!(window.seconds(), 60.0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn seconds(&self) -> f64 {
        self.length as f64 / 1e9
    }

    /// Returns what was recorded within the window, as a value of the metric's own kind.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats, reader::Reader};
    /// # #[derive(MmStats)] #[mmstats(name = "web")] struct Web { #[mmstats(window = "60s")] requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// # web.requests.add(3);
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// let requests = &snapshot.model("web").unwrap().series()[0];
    /// let window = requests.window().unwrap();
    /// assert_eq!(window.value().as_u64(), Some(3));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns how much a counter counted per second, from the beginning of the window until now; `None` for
    /// other kinds. If the first writer began later, the rate is taken from there, but over at least one step.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats, reader::Reader};
    /// # #[derive(MmStats)] #[mmstats(name = "web")] struct Web { #[mmstats(window = "60s")] requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// # web.requests.add(3);
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// let requests = &snapshot.model("web").unwrap().series()[0];
    /// let window = requests.window().unwrap();
    /// assert!(window.rate() > Some(0.0)); // per second
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn rate(&self) -> Option<f64> {
        match self.value {
            Value::Counter(count) => {
                let reach = self.reach.max(self.length / window::COUNTED).max(1);
                Some(count as f64 * 1e9 / reach as f64)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::histogram::Layout;
    use crate::metric::percentile::moments::Moments;

    /// 9 · (2⁵³ + 1) rounded, and then divided, is one too large in the last place.
    #[test]
    fn means_are_rounded_once() {
        let mean = |total: u128, count: u64| {
            let moments = Moments {
                total,
                count,
                ..Moments::default()
            };
            let layout = Layout::new(2).unwrap();
            Distribution::of(layout, moments, &[], &[]).mean().unwrap()
        };
        // Not by `powi`, whose rounding is unspecified.
        let two_to_64 = (1u128 << 64) as f64;
        let odd = (1u64 << 53) + 1;
        assert_eq!(mean(9 * u128::from(odd), 9), odd as f64);
        assert_eq!(mean(9 * u128::from(odd) + 1, 9), (odd + 1) as f64);
        assert_eq!(mean(0, 5), 0.0);
        assert_eq!(mean(1, u64::MAX), 1.0 / two_to_64);
        assert_eq!(mean(1, 3), 1.0 / 3.0);
        assert_eq!(mean(u128::MAX, 1), two_to_64 * two_to_64);
        assert_eq!(mean(u128::from(u64::MAX).pow(2), u64::MAX), two_to_64);
    }

    #[test]
    fn the_last_value_of_two_writers_is_not_known_whatever_their_extremes_are() {
        let layout = Layout::new(2).unwrap();
        let of = |values: &[u64]| {
            let moments = values.iter().fold(Moments::default(), |m, &v| m.with(v));
            Distribution::of(layout, moments, &[], &[])
        };
        for (mut one, other, last) in [
            (of(&[0]), of(&[u64::MAX]), None),
            (of(&[0, u64::MAX]), of(&[5]), None),
            (of(&[3]), of(&[3]), None),
            (of(&[]), of(&[0, u64::MAX]), Some(u64::MAX)),
            (of(&[u64::MAX, 0]), of(&[]), Some(0)),
        ] {
            one.merge(other);
            assert_eq!(one.last(), last);
        }
    }

    /// 9,000,000 · 1e-9 is 0.009000000000000001.
    #[test]
    fn seconds_are_the_nanoseconds_divided() {
        let layout = Layout::new(2).unwrap();
        let moments = Moments::default().with(9_000_000);
        let timer = Value::Timer(Box::new(Distribution::of(layout, moments, &[], &[])));
        let mut shown = Vec::new();
        timer.expose(|name, value| shown.push((name.to_owned(), value)));
        for name in ["Total", "Mean", "Min", "Max", "Last"] {
            let value = Value::Gauge(Number::Float(0.009));
            assert!(shown.contains(&(name.to_owned(), value)), "{shown:?}");
        }
    }
}
