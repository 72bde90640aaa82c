//! SharedGauge: a level of the process, in a static.

use super::process::Level;
use super::statics::{StaticDescription, constructors, unit};
use crate::Numeric;
use crate::format::level;
use crate::format::scalar::Scalar;
use crate::sync::{AtomicU64, Ordering};
use std::marker::PhantomData;

/// A level of the whole process, in a static: one word that all threads share, in a file of the process.
///
/// The last value that was set wins, and additions are exact, whichever threads make them. The levels of live
/// processes are added up, like those of a [`Gauge`](crate::Gauge). In the child of a fork it begins at 0.
///
/// ```no_run
/// use mmstats::SharedGauge;
///
/// static SIZE: SharedGauge<i64> = SharedGauge::new("cache", "size").unit("bytes");
///
/// SIZE.set(100);
/// SIZE.add(-5);
/// assert_eq!(SIZE.get(), 95);
/// ```
///
/// If its file has no space for it, it shares a level with others under `_other`: see
/// [`SharedCounter`](crate::SharedCounter).
///
/// Setting it is a store. Adding is a compare-and-exchange, which is repeated when several threads add at once. For
/// a number that all threads change all the time, an [`UpDown`](crate::UpDown) in each thread is better.
#[derive(Debug)]
pub struct SharedGauge<T: Numeric> {
    level: Level,
    description: StaticDescription,
    number: PhantomData<fn() -> T>,
}

impl<T: Numeric> SharedGauge<T> {
    const KIND: &'static str = match T::SCALAR {
        Scalar::U8 => "u8_gauge",
        Scalar::U16 => "u16_gauge",
        Scalar::U32 => "u32_gauge",
        Scalar::U64 => "u64_gauge",
        Scalar::I8 => "i8_gauge",
        Scalar::I16 => "i16_gauge",
        Scalar::I32 => "i32_gauge",
        Scalar::F32 => "f32_gauge",
        Scalar::F64 => "float_gauge",
        _ => "gauge",
    };

    constructors!("SharedGauge<i64>", "SharedGauge", "size");
    unit!("SharedGauge<i64>", "SharedGauge", "size");

    const fn of(description: StaticDescription) -> Self {
        SharedGauge {
            level: Level::new(),
            description,
            number: PhantomData,
        }
    }

    const fn description(&self) -> StaticDescription {
        self.description
    }

    #[inline(always)]
    fn word(&self) -> Option<&'static AtomicU64> {
        self.level.word::<T>(|| self.description.spec())
    }

    /// Sets the level.
    ///
    /// ```
    /// # use mmstats::SharedGauge;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static SIZE: SharedGauge<i64> = SharedGauge::new("cache", "size");
    /// SIZE.set(7);
    /// assert_eq!(SIZE.get(), 7);
    /// ```
    #[inline(always)]
    pub fn set(&self, value: T) {
        if let Some(word) = self.word() {
            level::set(word, value.to_word());
        }
    }

    /// Adds to the level. Integers wrap.
    ///
    /// ```
    /// # use mmstats::SharedGauge;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static SIZE: SharedGauge<i64> = SharedGauge::new("cache", "size");
    /// SIZE.add(-5);
    /// assert_eq!(SIZE.get(), -5);
    /// ```
    #[inline]
    pub fn add(&self, n: T) {
        if let Some(word) = self.word() {
            level::update(word, |word| T::from_word(word).plus(n).to_word());
        }
    }

    /// Returns the level. It is 0 until it is set in this process.
    ///
    /// ```
    /// # use mmstats::SharedGauge;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static SIZE: SharedGauge<i64> = SharedGauge::new("cache", "size");
    /// assert_eq!(SIZE.get(), 0);
    /// std::thread::spawn(|| SIZE.set(7)).join().unwrap();
    /// assert_eq!(SIZE.get(), 7);
    /// ```
    #[inline]
    pub fn get(&self) -> T {
        let word = self.level.known();
        T::from_word(word.map_or(0, |word| word.load(Ordering::Relaxed)))
    }
}
