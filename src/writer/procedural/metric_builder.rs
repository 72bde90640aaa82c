//! A metric that is to be added: its description, step by step.

use std::rc::Rc;
use std::time::Duration;

use super::Writer;
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
use crate::metric::storage::{Append, Room, Storage};
use crate::metric::window::LENGTHS;
use crate::sys::lifecycle::idle::Idle;
use crate::writer::groups::GroupId;

/// How long a metric lasts. Only a metric that threads share may end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetime {
    /// As long as its file.
    Always,
    /// As long as its file, in space that [`Writer::keep_aside`] reserved.
    InKeptSpace,
    /// Until it is removed, or idle.
    UntilEnded(Option<Idle>),
}

/// Configures a metric; `.add()` adds it to the file.
#[must_use = "nothing is added before .add()"]
#[derive(Debug)]
pub struct MetricBuilder<'w, M, V = ()> {
    writer: &'w Writer,
    group: GroupId,
    label: String,
    pub(super) unit: String,
    help: String,
    digits: Option<u32>,
    merge: Merge,
    buffers: Option<u16>,
    window: Option<Duration>,
    pub(super) lasts: Lifetime,
    value: V,
    metric: std::marker::PhantomData<fn() -> M>,
}

impl<'w, M, V> MetricBuilder<'w, M, V> {
    pub(super) fn new(
        writer: &'w Writer,
        group: GroupId,
        label: &str,
        value: V,
    ) -> MetricBuilder<'w, M, V> {
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
            lasts: Lifetime::Always,
            value,
            metric: std::marker::PhantomData,
        }
    }

    /// Sets the help text: what the metric means, in a sentence.
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

    pub(super) fn schema(
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

    /// Returns its instance; `schema` is the offset of its schema's record.
    pub(super) fn instance(&self, schema: u32) -> Instance {
        Instance {
            schema,
            block: 0,
            prefix: self.writer.prefix.clone(),
            group: self.group.name.clone(),
            labels: self.group.labels.clone(),
        }
    }

    /// Adds the metric. `describe` and `bind` are called for its one field. Also returns the offset of its block.
    pub(super) fn bind(
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
            return bad("window", window, "is not between 1 second and 24 hours");
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
            Lifetime::Always => (Room::Stays, None),
            Lifetime::InKeptSpace => (Room::KeptAside, None),
            Lifetime::UntilEnded(idle) => (Room::Removable, idle),
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
    /// The label is invalid or already exists, or the file is full.
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
    /// The label is invalid or already exists, or the file is full.
    pub fn add(self) -> Result<&'w Constant<T>, Error> {
        let added = self.bind(Constant::<T>::describe, |binder, _, _, value| {
            Constant::<T>::bind(binder, value)
        });
        added.map(|(constant, _)| constant)
    }
}

impl<M: TakesUnit, V> MetricBuilder<'_, M, V> {
    /// Sets the unit of what it counts or measures, such as `"bytes"`.
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
    /// Sets the number of significant digits, 1 to 5. Default: 2.
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
    /// Sets how the values of several files become one.
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
    /// Sets a window of 1 second to 24 hours: readers also see what was recorded during the last `window`. See the
    /// derive's attribute of the same name.
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
    /// Sets the number of buffers, a power of two from 2 to 64. Default: 2. With more, a reader that cannot map the
    /// file keeps up with a faster writer.
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
