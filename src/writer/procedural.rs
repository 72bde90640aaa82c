//! Writer: metrics added one by one, without a struct.

mod shared;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::builder::{Builder, Procedural};
use super::file::StatsFile;
use super::groups::{Around, GroupId};
use crate::Error;
use crate::format::histogram::DIGITS;
use crate::format::record::Instance;
use crate::format::schema::{Merge, Schema};
use crate::format::slot;
use crate::metric::constant::{Constant, ConstantType};
use crate::metric::field::{
    Binder, ConstantField, Describe, Field, Options, TakesBuffers, TakesDigits, TakesMerge,
    TakesUnit, TakesWindow,
};
use crate::metric::one_thread::of_one_thread;
use crate::metric::storage::{Append, Room, Storage};
use crate::metric::window::LENGTHS;
use crate::sys::memory::frozen::FrozenList;
use crate::{
    Average, Compound, Counter, Errors, Flag, Gauge, History, MmValue, MovingAverage, Numeric,
    Percentile, SamplingCounter, Summary, Text, Timer, UpDown,
};

pub(crate) use self::shared::{Labelled, Lasts};

/// A stats file to which metrics are added at any time, for programs that know their metrics only at
/// run time. It is the same kind of file as a model's, and the metrics are the same handles.
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
    /// For a file of this name: of its directory below the root.
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

    /// The path of the file; `None` for private memory.
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

    /// Metrics whose labels begin with `<name>.`.
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
    /// The name cannot be a group's.
    pub fn group(&self, name: &str) -> Result<Group<'_>, Error> {
        Ok(Group {
            writer: self,
            id: GroupId::named(name, &Around::default())?,
        })
    }

    /// Metrics with these labels, pairs of a key and a value in any order: `<metric>{key="value",…}`.
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
            id: GroupId::labelled(labels, &Around::default())?,
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

/// A group of a [`Writer`]: what its metrics' labels begin with, or the labels that they have.
#[derive(Clone, Debug)]
pub struct Group<'w> {
    writer: &'w Writer,
    id: GroupId,
}

/// A metric that is going to be added: `.add()` does it.
#[must_use = "nothing is added before .add()"]
#[derive(Debug)]
pub struct MetricBuilder<'w, M, V = ()> {
    writer: &'w Writer,
    group: GroupId,
    label: String,
    unit: String,
    help: String,
    digits: Option<u32>,
    merge: Merge,
    buffers: Option<u16>,
    window: Option<Duration>,
    lasts: Lasts,
    value: V,
    metric: std::marker::PhantomData<fn() -> M>,
}

/// One method for each kind, on [`Writer`] and [`Group`] alike. Each has what an example calls, and says.
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

            /// A value that is given here.
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

            /// A value that is given here.
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
    /// Count, total, mean, deviation, extremes and the last of f64 values.
    summary => Summary, "summary", "metric.record(1.42);";
    /// The mean of all values.
    average => Average, "average", "metric.record(1.42);";
    /// The mean of the last 100 values of each thread.
    moving_average => MovingAverage, "moving_average", "metric.record(1.42);";
    /// A count and its rate per millisecond, sampled every 100 increments.
    sampling_counter => SamplingCounter, "sampling_counter", "metric.inc();";
}

impl<'w, M, V> MetricBuilder<'w, M, V> {
    fn new(writer: &'w Writer, group: GroupId, label: &str, value: V) -> MetricBuilder<'w, M, V> {
        MetricBuilder {
            writer,
            group,
            label: label.to_owned(),
            unit: String::new(),
            help: String::new(),
            digits: None,
            merge: Merge::Sum,
            buffers: None,
            window: None,
            lasts: Lasts::Always,
            value,
            metric: std::marker::PhantomData,
        }
    }

    /// What it means, in a sentence.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// writer.counter("selects").help("Selects sent.").add()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.to_owned();
        self
    }

    fn schema(
        &self,
        options: Options<'_>,
        describe: impl FnOnce(&mut Describe, &str, Options<'_>),
    ) -> Schema {
        Schema {
            export: self.writer.export.clone(),
            ..Describe::model(&self.writer.model, "", "", |schema| {
                describe(schema, &self.label, options)
            })
        }
    }

    /// `schema`: the offset of its schema's record.
    fn instance(&self, schema: u32) -> Instance {
        Instance {
            schema,
            block: 0,
            prefix: self.writer.prefix.clone(),
            group: self.group.name.clone(),
            labels: self.group.labels.clone(),
        }
    }

    /// Adds the metric with these walks over its one field.
    fn bind(
        self,
        describe: impl FnOnce(&mut Describe, &str, Options<'_>),
        bind: impl FnOnce(&mut Binder<'_>, &str, Options<'_>, V) -> M,
    ) -> Result<(&'w M, u32), Error>
    where
        M: 'static,
    {
        let bad = |what, value: String, problem| {
            Err(Error::Name {
                what,
                name: value,
                problem,
            })
        };
        if let Some(digits) = self.digits.filter(|digits| !DIGITS.contains(digits)) {
            return bad("digits", digits.to_string(), "are not 1 to 5");
        }
        if let Some(n) = self.buffers
            && !(slot::BUFFERS.contains(&n.into()) && n.is_power_of_two())
        {
            return bad(
                "number of buffers",
                n.to_string(),
                "is not a power of two from 2 to 64",
            );
        }
        let nanos = |window: Duration| u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        let window = self.window.map(nanos);
        if window.is_some_and(|nanos| !LENGTHS.contains(&nanos)) {
            let window = format!("{:?}", self.window.unwrap_or_default());
            return bad("window", window, "is not one of 1 second to 24 hours");
        }
        let options = Options {
            unit: &self.unit,
            help: &self.help,
            digits: self.digits,
            merge: self.merge,
            buffers: self.buffers,
            window,
            ..Options::NONE
        };
        let Writer {
            metrics,
            file,
            prefix,
            ..
        } = self.writer;
        let schema = self.schema(options, describe);
        let append = Append::begin(&**file).ok_or_else(|| Error::Busy { path: file.path() })?;
        let (room, idle) = match self.lasts {
            Lasts::Always => (Room::Stays, None),
            Lasts::InKeptSpace => (Room::KeptAside, None),
            Lasts::UntilEnded(idle) => (Room::Removable, idle),
        };
        let placed = file.append_schema(&schema, room)?;
        let instance = self.instance(placed.record);
        let (block, offset) = file.instance(placed, instance, room)?;
        let storage: Rc<dyn Storage> = file.clone();
        let mut binder = Binder::new(Some(&storage), block, offset, prefix);
        let metric = bind(&mut binder, &self.label, options, self.value);
        if let Some(idle) = idle {
            file.end_when_idle(offset, idle, binder.written());
        }
        append.publish();
        Ok((metrics.push(metric), offset))
    }
}

impl<'w, M: Field + 'static> MetricBuilder<'w, M> {
    /// Adds the metric to the file.
    ///
    /// ```
    /// # let root = tempfile::tempdir().unwrap();
    /// # let writer = mmstats::Writer::builder("web").path(root.path()).create()?;
    /// let requests = writer.counter("requests").add()?;
    /// requests.inc();
    /// assert!(writer.counter("requests").add().is_err()); // it is there
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The label is no label or is there already, or the file is full.
    pub fn add(self) -> Result<&'w M, Error> {
        let added = self.bind(M::describe, |binder, label, options, ()| {
            M::bind(binder, label, options)
        });
        added.map(|(metric, _)| metric)
    }
}

impl<'w, T: ConstantType + 'static> MetricBuilder<'w, Constant<T>, T> {
    /// Adds the constant to the file.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let release = writer.constant("release", "1.4.2".to_owned()).add()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The label is no label or is there already, or the file is full.
    pub fn add(self) -> Result<&'w Constant<T>, Error> {
        let added = self.bind(Constant::<T>::describe, |binder, _, _, value| {
            Constant::<T>::bind(binder, value)
        });
        added.map(|(constant, _)| constant)
    }
}

impl<M: TakesUnit, V> MetricBuilder<'_, M, V> {
    /// Of what it is a count or measure, as in `"bytes"`.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").unit("bytes").add()?;
    /// size.record(512);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = unit.to_owned();
        self
    }
}

impl<M: TakesDigits> MetricBuilder<'_, M> {
    /// Significant digits, 1 to 5; 2 if not said.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").digits(3).add()?; // within 0.1 %
    /// size.record(100_050);
    /// assert!(writer.percentile("other").digits(9).add().is_err());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn digits(mut self, digits: u32) -> Self {
        self.digits = Some(digits);
        self
    }
}

impl<M: TakesMerge> MetricBuilder<'_, M> {
    /// How the values of several files become one.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::Merge;
    /// let temperature = writer.gauge::<f64>("temperature").merge(Merge::Max).add()?;
    /// temperature.set(36.6);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }
}

impl<M: TakesWindow> MetricBuilder<'_, M> {
    /// Has readers also see what was recorded in the last time: 1 second to 24 hours. See the
    /// derive's attribute of this name.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use std::time::Duration;
    /// let requests = writer.counter("requests").window(Duration::from_secs(60)).add()?;
    /// requests.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn window(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }
}

impl<M: TakesBuffers> MetricBuilder<'_, M> {
    /// Buffers, a power of two from 2 to 64; 2 if not said. More let a reader that cannot map the file
    /// keep up with a faster writer.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").buffers(8).add()?;
    /// size.record(512);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn buffers(mut self, buffers: u16) -> Self {
        self.buffers = Some(buffers);
        self
    }
}
