//! The handles of the facade.

use std::sync::Arc;

use metrics::{CounterFn, GaugeFn, HistogramFn};

use super::registry::FileEntry;
use crate::format::level;
use crate::shared::{Level, Number, Shared, Spec, raise, with};
use crate::{Counter, Percentile};

/// A metric with a cell in each thread. Each thread has a handle of its own: the macros clone it, and would otherwise
/// write to one reference count from all threads.
#[derive(Debug)]
pub struct Handle<C> {
    number: Number<C>,
    entry: Arc<FileEntry>,
}

impl<C> Handle<C> {
    /// Returns a handle of the metric with this number.
    pub fn new(number: Number<C>, entry: Arc<FileEntry>) -> Handle<C> {
        Handle { number, entry }
    }
}

impl<C> Shared<C> for Handle<C> {
    #[inline(always)]
    fn known_number(&self) -> Number<C> {
        self.number
    }

    fn number(&self) -> Number<C> {
        self.number
    }

    fn spec(&self) -> Spec {
        self.entry.spec()
    }
}

impl CounterFn for Handle<Counter> {
    fn increment(&self, value: u64) {
        with(self, |counter| counter.add(value));
    }

    fn absolute(&self, value: u64) {
        raise(self, value);
    }
}

impl HistogramFn for Handle<Percentile<f64>> {
    fn record(&self, value: f64) {
        with(self, |values| values.record(value));
    }

    fn record_many(&self, value: f64, count: usize) {
        with(self, |values| values.record_many(value, count as u64));
    }
}

/// A gauge. Each thread has a handle of its own.
#[derive(Debug)]
pub struct GaugeHandle {
    level: Arc<Level>,
    entry: Arc<FileEntry>,
}

impl GaugeHandle {
    /// Returns a handle of the gauge whose word `level` finds.
    pub fn new(level: Arc<Level>, entry: Arc<FileEntry>) -> GaugeHandle {
        GaugeHandle { level, entry }
    }

    fn update(&self, change: impl Fn(f64) -> f64) {
        if let Some(word) = self.level.word::<f64>(|| self.entry.spec()) {
            level::update(word, |word| change(f64::from_bits(word)).to_bits());
        }
    }
}

impl GaugeFn for GaugeHandle {
    fn increment(&self, value: f64) {
        self.update(|level| level + value);
    }

    fn decrement(&self, value: f64) {
        self.update(|level| level - value);
    }

    fn set(&self, value: f64) {
        if let Some(word) = self.level.word::<f64>(|| self.entry.spec()) {
            level::set(word, value.to_bits());
        }
    }
}
