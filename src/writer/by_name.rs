//! Statistics by name: a summary and a history for each label, and the errors, without any struct.
//!
//! They are the groups of a model that this module describes by hand. The summary's metric has no label of its own,
//! so it has the name of its group. Exporters show the group's name as the label `label`. A statistic with more
//! labels is identified by all of them.

use super::builder::Builder;
use super::groups::Groups;
use super::local::LocalCell;
use super::model::MmStats;
use crate::metric::errors::Errors;
use crate::metric::field::{Binder, Describe, Field, FieldTraits, Options};
use crate::metric::history::History;
use crate::metric::summary::Summary;
use crate::sys::lifecycle::paths::Settings;

/// Records a value under a label, from any thread.
///
/// It goes into a summary at `<label>` and, with its time, into a history at `<label>.history`.
///
/// ```no_run
/// mmstats::push_stat("file:large.csv", 1.42);
/// ```
///
/// The model, a directory below the root, is called `stats`, unless `MMSTATS_NAMESPACE` overrides the name. The call
/// never waits, so an async program uses it in the same way. A known label costs one hash, one comparison and the
/// two recordings, and no allocation. A value is counted under `_other` if its label is invalid (empty, longer than
/// 1024 bytes, with control characters or with empty parts between dots), or if it is new and the thread already has
/// 10,000 labels.
///
/// A thread's file keeps at most as many values of each label as a [`History`] does. All histories of a file share
/// one budget. See [`stats`](crate::stats) for contexts and errors.
pub fn push_stat(label: &str, value: f64) {
    StatsByLabel::local(|stats| stats.named.group(label).record(value));
}

/// The model.
pub(super) struct StatsByLabel {
    pub(super) errors: Errors,
    pub(super) named: Groups<LabelStats>,
}

/// The metrics of each label.
pub(super) struct LabelStats {
    summary: Summary,
    history: History,
}

impl LabelStats {
    fn record(&self, value: f64) {
        self.summary.record(value);
        self.history.push(value);
    }

    /// Records a value, with the context if there is one.
    pub(super) fn record_with(&self, value: f64, context: Option<&[u8]>) {
        match context {
            None => self.record(value),
            Some(context) => {
                self.summary.record(value);
                self.history.push_with(value, context);
            }
        }
    }
}

/// The model's name, unless `MMSTATS_NAMESPACE` overrides it.
const NAME: &str = "stats";

// SAFETY: as in the derive, `prepare_fields` makes every field by `Field::bind` and keeps nothing of the binder, and
// there are no other fields.
unsafe impl MmStats for StatsByLabel {
    const NAME: &'static str = NAME;
    const HELP: &'static str = "Statistics by name.";
    const TRAITS: FieldTraits = |_, _| ();

    fn describe_fields(describe: &mut Describe) {
        Errors::describe(describe, "errors", ERRORS);
        Groups::<LabelStats>::describe(describe, "named", NAMED);
    }

    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> StatsByLabel {
        |binder| StatsByLabel {
            errors: Errors::bind(binder, "errors", ERRORS),
            named: Groups::bind(binder, "named", NAMED),
        }
    }

    fn with_local<R>(f: impl FnOnce(&LocalCell<StatsByLabel>) -> R) -> R {
        thread_local! {
            static CELL: LocalCell<StatsByLabel> = const { LocalCell::new() };
        }
        CELL.with(f)
    }

    fn builder() -> Builder<StatsByLabel> {
        Builder::new(Settings::get().namespace.as_deref().unwrap_or(NAME))
    }
}

/// The key of a statistic's label among its labels.
pub(super) const LABEL: &str = "label";

const NAMED: Options<'static> = Options::NONE.group_label(LABEL);

const ERRORS: Options<'static> =
    Options::NONE.help("Errors that were recorded in a scope or left it.");

// SAFETY: as above.
unsafe impl MmStats for LabelStats {
    const NAME: &'static str = "stat";
    const HELP: &'static str = "The values of one label.";
    const TRAITS: FieldTraits = |_, _| ();

    fn has_groups() -> bool {
        false
    }

    fn describe_fields(describe: &mut Describe) {
        Summary::describe(describe, "", Options::NONE);
        History::<1000>::describe(describe, "history", Options::NONE);
    }

    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> LabelStats {
        |binder| LabelStats {
            summary: Summary::bind(binder, "", Options::NONE),
            history: Field::bind(binder, "history", Options::NONE),
        }
    }

    fn with_local<R>(_: impl FnOnce(&LocalCell<LabelStats>) -> R) -> R {
        unreachable!("only groups of `Labelled` are made")
    }
}
