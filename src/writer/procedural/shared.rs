//! The part of the writer for metrics that threads share (see `shared`): they are added one by one, behind their
//! handles.

use super::Writer;
use super::metric_builder::{Lifetime, MetricBuilder};
use crate::Error;
#[cfg(feature = "metrics")]
use crate::format::description::Description;
use crate::format::labels::Labels;
use crate::format::note::Cause;
use crate::metric::field::{Field, Options};
use crate::metric::storage::Storage;
use crate::sys::lifecycle::idle::Idle;
use crate::sys::memory::words::Word;
use crate::writer::groups::{GroupId, Placement};

/// The description of a shared metric in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedMetric<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its labels; may be empty.
    pub labels: &'a Labels,
    /// Its unit; may be empty.
    pub unit: &'a str,
    /// Its help text; may be empty.
    pub help: &'a str,
}

impl Writer {
    /// Adds a metric. Also returns the offset of its block.
    pub(crate) fn add_labelled<M: Field + 'static>(
        &self,
        metric: SharedMetric<'_>,
        lasts: Lifetime,
    ) -> Result<(&M, u32), Error> {
        let mut metric = self.labelled::<M>(metric)?;
        metric.lasts = lasts;
        metric.bind(M::describe, |binder, label, options, ()| {
            M::bind(binder, label, options)
        })
    }

    /// Keeps aside the space for a metric that is added later ([`Lifetime::InKeptSpace`]), so that it can be added when
    /// the file is full.
    pub(crate) fn keep_aside<M: Field + 'static>(
        &self,
        metric: SharedMetric<'_>,
    ) -> Result<(), Error> {
        let options = Options::NONE.unit(metric.unit).help(metric.help);
        let metric = self.labelled::<M>(metric)?;
        let schema = metric.schema(options, M::describe);
        self.file.keep_metric_aside(&schema, &metric.instance(0))
    }

    fn labelled<M>(&self, metric: SharedMetric<'_>) -> Result<MetricBuilder<'_, M>, Error> {
        let group = match metric.labels.is_empty() {
            true => GroupId::default(),
            false => GroupId::labelled(metric.labels.clone(), &Placement::default())?,
        };
        let mut builder = MetricBuilder::new(self, group, metric.label, ()).help(metric.help);
        builder.unit = metric.unit.to_owned();
        Ok(builder)
    }

    /// Notes in the file, once, that further metrics cannot have space of their own.
    pub(crate) fn note_refusal(&self, text: &dyn std::fmt::Display) {
        self.file.note(Cause::Group, text);
    }

    /// Returns the word that says whether the metric at this offset, which is removable, was removed.
    pub(crate) fn generation(&self, block: u32) -> Word {
        self.file.generation(block)
    }

    /// See [`StatsFile::begin_anew`](crate::writer::file::StatsFile::begin_anew).
    pub(crate) fn begin_anew(&self, block: u32, idle: Option<Idle>) -> bool {
        self.file.begin_anew(block, idle)
    }

    /// See [`StatsFile::describe`](crate::writer::file::StatsFile::describe).
    #[cfg(feature = "metrics")]
    pub(crate) fn describe(&self, description: &Description) -> bool {
        self.file.describe(description)
    }

    /// Called when the thread that writes it ends.
    pub(crate) fn abandon(&self) {
        self.file.abandon();
    }

    /// Makes this thread the one that writes it.
    pub(crate) fn adopt(&self) {
        self.file.adopt();
    }
}
