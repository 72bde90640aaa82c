//! What every static consists of.

use std::marker::PhantomData;

use super::home::{Home, Spec, all_other};
use super::number::{Lazy, Number, StaticIdentity};
use super::table::{self, Shared};
use crate::format::labels::Labels;
use crate::metric::field::Field;

/// A metric that is described in a static, with cells `C`.
#[derive(Debug)]
pub struct Static<C> {
    number: Lazy<C>,
    description: StaticDescription,
    cells: PhantomData<fn() -> C>,
}

/// The description of a static, as the program gives it.
#[derive(Clone, Copy, Debug)]
pub struct StaticDescription {
    pub(super) kind: &'static str,
    pub(super) identity: StaticIdentity,
    pub(super) help: &'static str,
    pub(super) unit: &'static str,
}

impl StaticDescription {
    pub(super) const fn new(
        kind: &'static str,
        model: &'static str,
        metric: &'static str,
    ) -> StaticDescription {
        StaticDescription {
            kind,
            identity: StaticIdentity {
                model,
                metric,
                labels: &[],
            },
            help: "",
            unit: "",
        }
    }

    pub(super) fn spec(&self) -> Spec {
        let StaticIdentity {
            model,
            metric,
            labels,
        } = self.identity;
        let labels = owned(labels);
        Spec {
            home: Home::of(model),
            kind: self.kind,
            metric: metric.to_owned(),
            unit: self.unit.to_owned(),
            help: self.help.to_owned(),
            other: all_other(&labels),
            labels,
        }
    }
}

/// Returns a copy of pairs, as labels.
fn owned(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
    pairs.iter().map(owned).collect()
}

impl<C: 'static> Static<C> {
    pub(super) const fn new(description: StaticDescription) -> Static<C> {
        Static {
            number: Lazy::new(),
            description,
            cells: PhantomData,
        }
    }

    pub(super) const fn description(&self) -> StaticDescription {
        self.description
    }
}

impl<C: Field + 'static> Static<C> {
    /// Runs `f` with this thread's cell, if there is one: see [`table::with`].
    #[inline(always)]
    pub(super) fn with<R>(&self, f: impl FnOnce(&C) -> R) -> Option<R> {
        table::with(self, f)
    }
}

impl<C: Field + 'static> Shared<C> for Static<C> {
    #[inline(always)]
    fn known_number(&self) -> Number<C> {
        self.number.get()
    }

    fn number(&self) -> Number<C> {
        self.number.get_or_give(self.description.identity)
    }

    fn spec(&self) -> Spec {
        self.description.spec()
    }
}

/// The constructors of a static, which are the same for all kinds. They use its functions `of`, which makes a static
/// from a description, and `description`, which returns that, and `KIND`, the name of the kind. The macro's
/// arguments are for the examples: the type, the type's name and a metric's name.
macro_rules! constructors {
    ($type:literal, $name:literal, $metric:literal) => {
        /// Makes a static for a metric of a model. The model's directory below the root has its name, and readers
        /// show the metric's label. Statics with the same model, metric and labels are one metric.
        ///
        /// ```
        #[doc = concat!("# use mmstats::", $name, ";")]
        #[doc = concat!("static METRIC: ", $type, " =")]
        #[doc = concat!("    ", $name, "::new(\"cache\", \"", $metric, "\");")]
        /// ```
        pub const fn new(model: &'static str, metric: &'static str) -> Self {
            let kind = Self::KIND;
            Self::of($crate::shared::statics::StaticDescription::new(
                kind, model, metric,
            ))
        }

        /// Sets the help text: what the metric means, in a sentence.
        ///
        /// ```
        #[doc = concat!("# use mmstats::", $name, ";")]
        #[doc = concat!("static METRIC: ", $type, " =")]
        #[doc = concat!("    ", $name, "::new(\"cache\", \"", $metric, "\").help(\"Of the cache in memory.\");")]
        /// ```
        #[must_use]
        pub const fn help(self, help: &'static str) -> Self {
            let mut description = self.description();
            description.help = help;
            Self::of(description)
        }

        /// Sets the labels, pairs of a key and a value in any order: `<metric>{key="value",…}`. For what they may
        /// contain, see [`MmLabels`](crate::MmLabels).
        ///
        /// ```
        #[doc = concat!("# use mmstats::", $name, ";")]
        #[doc = concat!("static METRIC: ", $type, " =")]
        #[doc = concat!("    ", $name, "::new(\"cache\", \"", $metric, "\").labels(&[(\"shard\", \"1\")]);")]
        /// ```
        #[must_use]
        pub const fn labels(self, labels: &'static [(&'static str, &'static str)]) -> Self {
            let mut description = self.description();
            description.identity.labels = labels;
            Self::of(description)
        }
    };
}
pub(super) use constructors;

/// The constructor of the kinds that have a unit.
macro_rules! unit {
    ($type:literal, $name:literal, $metric:literal) => {
        /// Sets the unit of what it counts or measures, such as `"bytes"`.
        ///
        /// ```
        #[doc = concat!("# use mmstats::", $name, ";")]
        #[doc = concat!("static METRIC: ", $type, " =")]
        #[doc = concat!("    ", $name, "::new(\"cache\", \"", $metric, "\").unit(\"bytes\");")]
        /// ```
        #[must_use]
        pub const fn unit(self, unit: &'static str) -> Self {
            let mut description = self.description();
            description.unit = unit;
            Self::of(description)
        }
    };
}
pub(super) use unit;
