//! The trait that `#[derive(MmStats)]` implements.

use std::any::TypeId;

use super::builder::{Builder, Names};
use super::local::{self, LocalCell};
use super::stats::Stats;
use crate::Error;
use crate::format::schema::Schema;
use crate::metric::field::{Binder, Describe, FieldTraits};

/// A struct of metrics. Implemented by `#[derive(MmStats)]`.
///
/// # Safety
/// For the derive only. `prepare_fields` makes every field by [`Field::bind`](crate::metric::field::Field::bind) and
/// keeps nothing of the binder, and the type has no other fields. So no handle can outlive its file, and a model can
/// be sent to another thread as a whole.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stats model",
    label = "not a model",
    note = "write #[derive(MmStats)] on the struct"
)]
pub unsafe trait MmStats: Sized + 'static {
    /// The model's name, which is also that of its directory under the root.
    const NAME: &'static str;

    #[doc(hidden)]
    const HELP: &'static str;

    /// The prefix that exporters put in front of the names of its metrics, if it is not the model's name.
    #[doc(hidden)]
    const EXPORT: Option<&'static str> = None;

    #[doc(hidden)]
    const TRAITS: FieldTraits;

    /// Returns whether one of its fields has groups, which can be removed.
    #[doc(hidden)]
    #[inline(always)]
    fn has_groups() -> bool {
        true
    }

    #[doc(hidden)]
    fn describe_fields(describe: &mut Describe);

    /// Runs the user's code (`value = …`), and returns a function that binds the fields and runs no such code.
    #[doc(hidden)]
    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> Self;

    #[doc(hidden)]
    fn with_local<R>(f: impl FnOnce(&LocalCell<Self>) -> R) -> R;

    /// Runs `f` with this thread's statistics. Their file is made at the thread's first call, or taken over from a
    /// thread that has ended.
    ///
    /// `f` runs exactly once, whatever happens. If there can be no file, or the thread is being torn down, it runs
    /// against private memory. The error that prevents a file is reported once per model and process, through the
    /// `log` crate or, without a logger, on stderr. After the first call this costs a load and a comparison. A model
    /// with groups, which can be removed, costs a few loads and a comparison more; each lookup of a group sets a
    /// flag, which the end of the outermost call clears.
    ///
    /// The file is removed when the process ends, unless `MMSTATS_KEEP=1` is set.
    ///
    /// ```no_run
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// let so_far = Web::local(|web| {
    ///     web.requests.inc();
    ///     web.requests.get()
    /// });
    /// ```
    #[inline(always)]
    fn local<R>(f: impl FnOnce(&Self) -> R) -> R {
        local::with(f)
    }

    /// Makes a separate file for this model, at the default path.
    ///
    /// ```no_run
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// let web = Web::create()?; // below $MMSTATS_PATH
    /// web.requests.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The directory or file cannot be made, there is no space, or two fields have the same label.
    fn create() -> Result<Stats<Self>, Error> {
        Self::builder().create()
    }

    /// Returns a builder, for a file at another path, of another size, with a prefix for its labels, …
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// let web = Web::builder().anonymous().create()?;
    /// web.requests.add(5);
    /// assert_eq!(web.requests.get(), 5);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    fn builder() -> Builder<Self> {
        Builder::new(Self::NAME)
    }

    /// Returns a builder for a file in which all instances of this model are groups. The groups named here exist
    /// from the beginning.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// let handlers = Web::groups(["index", "login"]).anonymous().create()?;
    /// handlers["index"].requests.inc();
    /// assert_eq!(handlers.len(), 2);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    fn groups<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Builder<Self, Names> {
        Self::builder().groups(names)
    }
}

/// Returns the schema of a model.
pub(super) fn schema<T: MmStats>() -> Schema {
    Schema {
        export: T::EXPORT.map(str::to_owned),
        ..Describe::model(T::NAME, T::HELP, type_path::<T>(), T::describe_fields)
    }
}

/// Returns the path of a model's type, which distinguishes it from another model of the same name.
pub(super) fn type_path<T: MmStats>() -> &'static str {
    std::any::type_name::<T>()
}

/// Returns the key of a model in its file's schemas.
pub(super) fn key<T: MmStats>() -> TypeId {
    TypeId::of::<T>()
}
