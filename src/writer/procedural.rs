//! Writer: metrics added one by one, without a struct.

mod metric_builder;
mod shared;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::builder::{Builder, Procedural};
use super::file::StatsFile;
use super::groups::{GroupId, Placement};
use crate::Error;
use crate::metric::constant::{Constant, ConstantType};
use crate::metric::one_thread::of_one_thread;
use crate::metric::storage::Storage;
use crate::sys::memory::frozen::FrozenList;
use crate::{
    Average, Compound, Counter, Errors, Flag, Gauge, History, MmValue, MovingAverage, Numeric,
    Percentile, SamplingCounter, Summary, Text, Timer, UpDown,
};

pub(crate) use self::metric_builder::Lifetime;
pub use self::metric_builder::MetricBuilder;
pub(crate) use self::shared::SharedMetric;

/// A stats file to which metrics can be added at any time, for programs that know their metrics only at run time.
///
/// It is the same kind of file as a model's, and the metrics are the same handles.
///
/// ```
/// use mmstats::{Counter, Text, Timer};
/// let writer = mmstats::Writer::builder("sqlalchemy").anonymous().create()?;
/// let url: &Text<256> = writer.text("connection_foo.url").add()?;
/// let selects: &Counter = writer.counter("users_table.selects").help("Selects sent.").add()?;
/// let time: &Timer = writer.timer("users_table.select_time").add()?;
/// let rows = writer.group("users_table")?.counter("rows").unit("rows").add()?;
/// url.set("sqlite://");
/// selects.inc();
/// rows.add(12);
/// time.time(|| ());
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Writer {
    // The order matters: the handles are dropped before their file.
    metrics: FrozenList,
    file: Rc<StatsFile>,
    model: String,
    prefix: String,
    export: Option<String>,
}

// SAFETY: as for `Stats`: every Rc of the file and every view of its mapping is in `metrics` and
// `file`, nothing can be moved out, and they move together.
unsafe impl Send for Writer {}

of_one_thread!(Writer);

impl Writer {
    /// Returns a builder for the file of a model with this name, which is also that of its directory below the root.
    ///
    /// ```
    /// let writer = mmstats::Writer::builder("sqlalchemy").anonymous().create()?;
    /// writer.counter("selects").add()?.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn builder(name: &str) -> Builder<Writer, Procedural> {
        Builder::procedural(name)
    }

    pub(super) fn new(
        file: Rc<StatsFile>,
        model: String,
        prefix: String,
        export: Option<String>,
    ) -> Writer {
        Writer {
            metrics: FrozenList::default(),
            file,
            model,
            prefix,
            export,
        }
    }

    /// Returns the path of the file, or `None` for private memory.
    ///
    /// ```
    /// # let root = tempfile::tempdir().unwrap();
    /// let writer = mmstats::Writer::builder("web").path(root.path()).create()?;
    /// assert!(writer.path().unwrap().starts_with(root.path().join("web")));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> Option<PathBuf> {
        (!self.file.is_anonymous()).then(|| self.file.path())
    }

    /// Returns a group, for metrics whose labels begin with `<name>.`.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let rows = writer.group("users_table")?.counter("rows").add()?; // users_table.rows
    /// rows.add(12);
    /// assert!(writer.group("").is_err());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The name is invalid for a group.
    pub fn group(&self, name: &str) -> Result<Group<'_>, Error> {
        Ok(Group {
            writer: self,
            id: GroupId::named(name, &Placement::default())?,
        })
    }

    /// Returns a group, for metrics with these labels, pairs of a key and a value in any order:
    /// `<metric>{key="value",…}`.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("sqlalchemy").anonymous().create()?;
    /// let users = writer.group_with(&[("table", "users"), ("shard", "1")])?;
    /// let selects = users.counter("selects").add()?; // selects{shard="1",table="users"}
    /// selects.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// A key or a value is invalid (see [`MmLabels`](crate::MmLabels)), a key is given twice, or there are no labels or
    /// more than 64.
    pub fn group_with(&self, labels: &[(&str, &str)]) -> Result<Group<'_>, Error> {
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        let labels = labels.iter().map(owned).collect();
        Ok(Group {
            writer: self,
            id: GroupId::labelled(labels, &Placement::default())?,
        })
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.path())
            .field("metrics", &self.metrics)
            .finish()
    }
}

/// A group of a [`Writer`]: the prefix of its metrics' labels, or the labels that identify them.
#[derive(Clone, Debug)]
pub struct Group<'w> {
    writer: &'w Writer,
    id: GroupId,
}

/// One method for each kind, on [`Writer`] and [`Group`] alike. Each entry has the method that its example calls,
/// and what the example does with the metric.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $(<$p:ident: $bound:path>)? => $metric:ty, $call:literal, $use:literal;)*) => {
        impl Writer {
            $(
                $(#[$doc])*
                ///
                /// ```
                /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
                #[doc = concat!("let metric = writer.", $call, "(\"metric\").add()?;")]
                #[doc = $use]
                /// # Ok::<(), mmstats::Error>(())
                /// ```
                pub fn $name $(<$p: $bound>)? (&self, label: &str) -> MetricBuilder<'_, $metric> {
                    MetricBuilder::new(self, GroupId::default(), label, ())
                }
            )*

            /// A constant with the value given here.
            ///
            /// ```
            /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
            /// writer.constant("release", "1.4.2".to_owned()).add()?;
            /// # Ok::<(), mmstats::Error>(())
            /// ```
            pub fn constant<T: ConstantType + 'static>(&self, label: &str, value: T) -> MetricBuilder<'_, Constant<T>, T> {
                MetricBuilder::new(self, GroupId::default(), label, value)
            }
        }
        impl<'w> Group<'w> {
            $(
                $(#[$doc])*
                ///
                /// ```
                /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
                /// let group = writer.group("users")?;
                #[doc = concat!("let metric = group.", $call, "(\"metric\").add()?; // users.metric")]
                #[doc = $use]
                /// # Ok::<(), mmstats::Error>(())
                /// ```
                pub fn $name $(<$p: $bound>)? (&self, label: &str) -> MetricBuilder<'w, $metric> {
                    MetricBuilder::new(self.writer, self.id.clone(), label, ())
                }
            )*

            /// A constant with the value given here.
            ///
            /// ```
            /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
            /// writer.group("users")?.constant("shards", 16u32).add()?;
            /// # Ok::<(), mmstats::Error>(())
            /// ```
            pub fn constant<T: ConstantType + 'static>(&self, label: &str, value: T) -> MetricBuilder<'w, Constant<T>, T> {
                MetricBuilder::new(self.writer, self.id.clone(), label, value)
            }
        }
    };
}
kinds! {
    /// A count that never falls.
    counter => Counter, "counter", "metric.inc();";
    /// A number that goes up on one thread and down on another.
    updown => UpDown, "updown", "metric.dec();";
    /// A level.
    gauge<T: Numeric> => Gauge<T>, "gauge::<f64>", "metric.set(36.6);";
    /// True or false.
    flag => Flag, "flag", "metric.set(true);";
    /// A text of at most 256 bytes.
    text => Text<256>, "text", "metric.set(\"sqlite://\");";
    /// A distribution of durations.
    timer => Timer, "timer", "metric.record(std::time::Duration::from_millis(3));";
    /// A distribution of u64 values.
    percentile => Percentile, "percentile", "metric.record(512);";
    /// A distribution of f64 values.
    float_percentile => Percentile<f64>, "float_percentile", "metric.record(-0.25);";
    /// The last 1000 values, with times and contexts.
    history => History, "history", "metric.push_with(1.42, \"large.csv\");";
    /// Distinct errors, with counts and times.
    errors => Errors, "errors", "metric.record(&std::fmt::Error);";
    /// A struct of numbers, updated as a whole.
    compound<T: MmValue> => Compound<T>, "compound::<Pool>", "metric.update(|pool| pool.open += 1);\n# #[derive(Clone, Copy, Default, mmstats::MmValue)] #[repr(C)] struct Pool { open: u64 }";
    /// Count, total, mean, deviation, extremes and last value of f64 values.
    summary => Summary, "summary", "metric.record(1.42);";
    /// The mean of all values.
    average => Average, "average", "metric.record(1.42);";
    /// The mean of the last 100 values of each thread.
    moving_average => MovingAverage, "moving_average", "metric.record(1.42);";
    /// A count and its rate per millisecond, sampled every 100 increments.
    sampling_counter => SamplingCounter, "sampling_counter", "metric.inc();";
}
