//! SharedPercentile: a percentile in a static.

use super::statics::{Static, StaticDescription, constructors, unit};
use crate::{Percentile, PercentileNumber};

/// A [`Percentile`] of `u64` or `f64` values for any thread, in a static.
///
/// For its cost compared with a `Percentile`, see [`SharedCounter`](crate::SharedCounter).
///
/// ```no_run
/// use mmstats::SharedPercentile;
///
/// static SIZE: SharedPercentile = SharedPercentile::new("cache", "entry_size").unit("bytes");
/// static RATIO: SharedPercentile<f64> = SharedPercentile::new("cache", "ratio");
///
/// SIZE.record(512);
/// RATIO.record(0.25);
/// ```
#[derive(Debug)]
pub struct SharedPercentile<T: PercentileNumber = u64>(Static<Percentile<T>>);

impl<T: PercentileNumber> SharedPercentile<T> {
    const KIND: &'static str = T::KIND;

    constructors!("SharedPercentile", "SharedPercentile", "entry_size");
    unit!("SharedPercentile", "SharedPercentile", "entry_size");

    const fn of(description: StaticDescription) -> Self {
        SharedPercentile(Static::new(description))
    }

    const fn description(&self) -> StaticDescription {
        self.0.description()
    }
}

impl SharedPercentile<u64> {
    /// Records a value.
    ///
    /// ```no_run
    /// # use mmstats::SharedPercentile;
    /// static SIZE: SharedPercentile = SharedPercentile::new("cache", "size").unit("bytes");
    ///
    /// SIZE.record(512);
    /// ```
    #[inline]
    pub fn record(&self, value: u64) {
        self.0.with(|values| values.record(value));
    }

    /// Records a value with a context: see [`Timer::record_with`](crate::Timer::record_with).
    ///
    /// ```no_run
    /// # use mmstats::SharedPercentile;
    /// static SIZE: SharedPercentile = SharedPercentile::new("cache", "size");
    ///
    /// SIZE.record_with(512, "4bf92f3577b34da6a3ce929d0e0e4736");
    /// ```
    pub fn record_with(&self, value: u64, context: impl AsRef<[u8]>) {
        self.0.with(|values| values.record_with(value, context));
    }
}

impl SharedPercentile<f64> {
    /// Records a value. A value that is not finite is counted as rejected, and changes nothing else.
    ///
    /// ```no_run
    /// # use mmstats::SharedPercentile;
    /// static RATIO: SharedPercentile<f64> = SharedPercentile::new("cache", "ratio");
    ///
    /// RATIO.record(0.25);
    /// ```
    #[inline]
    pub fn record(&self, value: f64) {
        self.0.with(|values| values.record(value));
    }

    /// Records a value with a context: see [`Timer::record_with`](crate::Timer::record_with).
    ///
    /// ```no_run
    /// # use mmstats::SharedPercentile;
    /// static RATIO: SharedPercentile<f64> = SharedPercentile::new("cache", "ratio");
    ///
    /// RATIO.record_with(0.25, "4bf92f3577b34da6a3ce929d0e0e4736");
    /// ```
    pub fn record_with(&self, value: f64, context: impl AsRef<[u8]>) {
        self.0.with(|values| values.record_with(value, context));
    }
}
