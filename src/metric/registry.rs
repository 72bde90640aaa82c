//! The registry: every kind that this version knows. A new kind needs a folder, a line in [`KINDS`], a variant
//! of [`Value`] and a line in [`of`].

use super::kind::Kind;
use super::sample::{Reading, Sample};
use super::value::{Value, WindowValue};
use super::{
    average, compound, constant, counter, errors, flag, gauge, history, moving_average, percentile,
    sampling_counter, summary, text, timer, updown, window,
};

/// Every kind, in the order of the codes.
pub static KINDS: [&Kind; 17] = [
    &counter::KIND,
    &updown::KIND,
    &gauge::KIND,
    &flag::KIND,
    &text::KIND,
    &constant::KIND,
    &timer::KIND,
    &percentile::integers::KIND,
    &compound::KIND,
    &summary::KIND,
    &average::KIND,
    &moving_average::KIND,
    &sampling_counter::KIND,
    &history::KIND,
    &errors::kind::KIND,
    &window::kind::KIND,
    &percentile::floats::KIND,
];

/// Returns the kind with this code, if this version knows it.
///
/// ```
/// assert_eq!(mmstats::Value::Counter(7).kind(), "counter");
/// ```
pub fn kind(code: u16) -> Option<&'static Kind> {
    // Codes may have gaps, for kinds that this version does not have.
    let index = KINDS.binary_search_by_key(&code, |kind| kind.code).ok()?;
    Some(KINDS[index])
}

/// Returns the kind of a value.
pub(crate) fn of(value: &Value) -> &'static Kind {
    match value {
        Value::Counter(_) => &counter::KIND,
        Value::UpDown(_) => &updown::KIND,
        Value::Gauge(_) => &gauge::KIND,
        Value::Flag(_) => &flag::KIND,
        Value::Text(_) => &text::KIND,
        Value::Constant(_) | Value::ConstantFlag(_) | Value::ConstantText(_) => &constant::KIND,
        Value::Timer(_) => &timer::KIND,
        Value::Percentile(_) => &percentile::integers::KIND,
        Value::FloatPercentile(_) => &percentile::floats::KIND,
        Value::Compound(_) => &compound::KIND,
        Value::Summary(_) => &summary::KIND,
        Value::Average(_) => &average::KIND,
        Value::MovingAverage(_) => &moving_average::KIND,
        Value::SamplingCounter(_) => &sampling_counter::KIND,
        Value::History(_) => &history::KIND,
        Value::Errors(_) => &errors::kind::KIND,
        Value::Window(_) => &window::kind::KIND,
    }
}

impl Value {
    /// Returns the name of its kind, as in JSON.
    ///
    /// ```
    /// assert_eq!(mmstats::Value::Counter(3).kind(), "counter");
    /// ```
    pub fn kind(&self) -> &'static str {
        of(self).name
    }

    /// Returns how often something was counted, or how many values were recorded, for counters, distributions,
    /// summaries, averages and error logs. `None` for levels, and for kinds without a count of the value as a
    /// whole.
    ///
    /// ```
    /// use mmstats::Value;
    ///
    /// assert_eq!(Value::Counter(3).count(), Some(3));
    /// assert_eq!(Value::Flag(true).count(), None);
    /// ```
    pub fn count(&self) -> Option<u64> {
        (of(self).count)(self)
    }

    /// Returns what was counted since an earlier value of the same series; `None` for a kind that does not
    /// count.
    #[cfg(feature = "serve")]
    pub(crate) fn counted_since(&self, before: &Value) -> Option<Value> {
        let since = of(self).since?;
        let mut counted = self.clone();
        since(&mut counted, before);
        Some(counted)
    }

    /// Calls `each` with every part of the value. `unit` is the unit of its metric.
    ///
    /// An exporter needs nothing else from a value. A Counter is one cumulative number, a Timer a histogram, a
    /// Compound one number for each field. A part that does not exist (the mean of no values, the values of a
    /// History) is left out. Allocates only the names of parts that are composed (elements of arrays, errors).
    ///
    /// ```
    /// use mmstats::{Value, reader::Reading};
    ///
    /// Value::Counter(3).samples("requests", |sample| {
    ///     assert!(sample.is_exported && sample.part.is_empty());
    ///     assert_eq!(sample.unit, "requests");
    ///     assert!(matches!(sample.reading, Reading::Cumulative(_)));
    /// });
    /// ```
    pub fn samples(&self, unit: &str, mut each: impl FnMut(Sample<'_>)) {
        (of(self).samples)(self, unit, &mut each);
    }

    /// Calls `each` with the name and the value of everything that this value exposes beside itself: `Count`,
    /// `Mean`, `Percentile99th`, … of a distribution (a Timer's in seconds), the fields of a compound, the
    /// numbers of a summary or a sampling counter, `all` and `EXC:<type>` of errors. A part that does not exist
    /// (the minimum of no values) is left out.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let mut names = Vec::new();
    /// let value = snapshot.get("every-kind", "timers.response").unwrap();
    /// value.expose(|name, _| names.push(name.to_owned()));
    /// assert!(names.contains(&"Percentile99th".to_owned()));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn expose(&self, mut each: impl FnMut(&str, Value)) {
        self.samples("", |sample| expose(sample, &mut each));
    }
}

impl WindowValue {
    /// See [`Value::samples`].
    pub(crate) fn samples(&self, unit: &str, mut each: impl FnMut(Sample<'_>)) {
        window::kind::samples(self, unit, &mut each);
    }

    /// See [`Value::expose`].
    pub(crate) fn expose(&self, mut each: impl FnMut(&str, Value)) {
        self.samples("", |sample| expose(sample, &mut each));
    }
}

/// Passes a sample on as a value of its own, with its name. A sample of the value as a whole is skipped.
fn expose(sample: Sample<'_>, each: &mut impl FnMut(&str, Value)) {
    if sample.is_whole() {
        return;
    }
    let value = match sample.reading {
        // A field of a Compound may be a float.
        Reading::Cumulative(number) => match number.as_u64() {
            Some(count) => Value::Counter(count),
            None => Value::Gauge(number),
        },
        Reading::Sum(number) | Reading::Level(number) => Value::Gauge(number),
        Reading::Flag(flag) => Value::Flag(flag),
        Reading::Text(text) => Value::Text(text.to_owned()),
        // These are always the value as a whole.
        Reading::Histogram(_) | Reading::Summary { .. } => return,
    };
    each(sample.part, value);
}

#[cfg(test)]
mod tests;
