//! Statistics by name: a summary and a history for each label, and the errors, without any struct.
//!
//! They are the groups of a model that this module describes by hand. The summary's metric has no label
//! of its own, so that it is called as its group. To exporters the group's name is the label `label`; a statistic
//! with more labels goes by all of them.

use super::builder::Builder;
use super::groups::Groups;
use super::local::LocalCell;
use super::model::MmStats;
use crate::metric::errors::Errors;
use crate::metric::field::{Binder, Describe, Field, FieldTraits, Options};
use crate::metric::history::History;
use crate::metric::summary::Summary;
use crate::sys::lifecycle::paths::Settings;

/// Records a value under a label, from any thread: a summary has it at `<label>`, and a history with its
/// time at `<label>.history`.
///
/// ```no_run
/// mmstats::push_stat("file:large.csv", 1.42);
/// ```
///
/// The model, a directory below the root, is called `stats`, or as `MMSTATS_NAMESPACE` says. It never
/// waits: there is nothing that an async program would have to do otherwise. A label that is known
/// costs a hash, a comparison and the two stores, and no allocation. What cannot be a label (it is empty,
/// longer than 1024 bytes, has control characters, or empty parts between dots) and what is beyond the
/// 10,000 labels of a thread counts under `_other`.
///
/// A thread's file keeps at most [`History`]'s values of each label; all of a file's histories have one
/// budget. See [`stats`](crate::stats) for contexts and errors.
pub fn push_stat(label: &str, value: f64) {
    Labelled::local(|stats| stats.named.group(label).record(value));
}

/// The model.
pub(super) struct Labelled {
    pub(super) errors: Errors,
    pub(super) named: Groups<Named>,
}

/// What there is for each label.
pub(super) struct Named {
    summary: Summary,
    history: History,
}

impl Named {
    fn record(&self, value: f64) {
        self.summary.record(value);
        self.history.push(value);
    }

    /// With a context.
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

/// The model's name, unless the environment has another one.
const NAME: &str = "stats";

// SAFETY: as the derive does: `prepare_fields` makes every field by `Field::bind` and keeps nothing of the
// binder, and there are no other fields.
unsafe impl MmStats for Labelled {
    const NAME: &'static str = NAME;
    const HELP: &'static str = "Statistics by name.";
    const TRAITS: FieldTraits = |_, _| ();

    fn describe_fields(describe: &mut Describe) {
        Errors::describe(describe, "errors", ERRORS);
        Groups::<Named>::describe(describe, "named", NAMED);
    }

    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> Labelled {
        |binder| Labelled {
            errors: Errors::bind(binder, "errors", ERRORS),
            named: Groups::bind(binder, "named", NAMED),
        }
    }

    fn with_local<R>(f: impl FnOnce(&LocalCell<Labelled>) -> R) -> R {
        thread_local! {
            static CELL: LocalCell<Labelled> = const { LocalCell::new() };
        }
        CELL.with(f)
    }

    fn builder() -> Builder<Labelled> {
        Builder::new(Settings::get().namespace.as_deref().unwrap_or(NAME))
    }
}

/// The key of a statistic's label, among labels.
pub(super) const LABEL: &str = "label";

const NAMED: Options<'static> = Options::NONE.group_label(LABEL);

const ERRORS: Options<'static> = Options::NONE.help("Errors that passed through.");

// SAFETY: as above.
unsafe impl MmStats for Named {
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

    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> Named {
        |binder| Named {
            summary: Summary::bind(binder, "", Options::NONE),
            history: Field::bind(binder, "history", Options::NONE),
        }
    }

    fn with_local<R>(_: impl FnOnce(&LocalCell<Named>) -> R) -> R {
        unreachable!("only groups of `Labelled` are made")
    }
}
