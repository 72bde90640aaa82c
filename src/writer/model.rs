//! What a struct with `#[derive(MmStats)]` can do.

use std::any::TypeId;

use super::builder::{Builder, Names};
use super::local::{self, LocalCell};
use super::stats::Stats;
use crate::Error;
use crate::format::schema::Schema;
use crate::metric::field::{Binder, Describe, FieldTraits};

/// A struct of metrics. Made by `#[derive(MmStats)]`.
///
/// # Safety
/// For the derive only. `prepare_fields` makes every field by [`Field::bind`](crate::metric::field::Field::bind),
/// keeps nothing of the binder, and the type has no other fields: so no handle can outlive its file, and
/// a model can be sent to another thread as a whole.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stats model",
    label = "not a model",
    note = "write #[derive(MmStats)] on the struct"
)]
pub unsafe trait MmStats: Sized + 'static {
    /// The model's name: of its directory under the root.
    const NAME: &'static str;

    #[doc(hidden)]
    const HELP: &'static str;

    /// What exporters put in front of the names of its metrics, if not its name.
    #[doc(hidden)]
    const EXPORT: Option<&'static str> = None;

    #[doc(hidden)]
    const TRAITS: FieldTraits;

    /// Whether a field of it has groups, which can be removed.
    #[doc(hidden)]
    #[inline(always)]
    fn has_groups() -> bool {
        true
    }

    #[doc(hidden)]
    fn describe_fields(describe: &mut Describe);

    /// Runs the user's code (`value = …`), and returns what binds the fields and runs none.
    #[doc(hidden)]
    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> Self;

    #[doc(hidden)]
    fn with_local<R>(f: impl FnOnce(&LocalCell<Self>) -> R) -> R;

    /// Runs `f` with this thread's statistics, whose file is made at the thread's first call (or
    /// taken over from a thread that has ended).
    ///
    /// `f` runs exactly once, whatever happens. Where there can be no file, and while the thread is
    /// being torn down, it runs against private memory, with one warning per path and process
    /// through the `log` crate. After the first call this costs a load and a comparison; of a model with groups,
    /// which can be removed, another of both and two stores.
    ///
    /// The file is removed when the process ends, unless `MMSTATS_KEEP=1`.
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

    /// Makes a file of its own for this model, at the default path.
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
    /// The directory or file cannot be made or there is no space; two fields have one label.
    fn create() -> Result<Stats<Self>, Error> {
        Self::builder().create()
    }

    /// For a file at another path, of another size, with a prefix to its labels, …
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

    /// For a file whose instances of this model all are groups; those named here exist from the
    /// beginning.
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

/// The schema of a model.
pub(super) fn schema<T: MmStats>() -> Schema {
    Schema {
        export: T::EXPORT.map(str::to_owned),
        ..Describe::model(T::NAME, T::HELP, type_path::<T>(), T::describe_fields)
    }
}

/// The path of a model's type, which tells it from another one of the same name.
pub(super) fn type_path<T: MmStats>() -> &'static str {
    std::any::type_name::<T>()
}

/// The key of a model in its file's schemas.
pub(super) fn key<T: MmStats>() -> TypeId {
    TypeId::of::<T>()
}
