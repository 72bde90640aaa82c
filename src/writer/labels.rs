//! Structs as labels: they identify a group, as pairs of a key and a value.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;

/// A struct whose fields are labels: the key of [`Groups<T, L>`](crate::Groups). Implemented by
/// `#[derive(MmLabels)]`.
///
/// ```
/// use mmstats::{Counter, Groups, MmLabelValue, MmLabels, MmStats};
///
/// #[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
/// struct Route {
///     handler: &'static str,
///     #[mmstats(key = "code")]
///     status: u16,
///     method: Method,
/// }
///
/// #[derive(MmLabelValue, Clone, PartialEq, Eq, Hash)]
/// enum Method {
///     Get,
///     #[mmstats(name = "PUT")]
///     Put,
/// }
///
/// #[derive(MmStats)]
/// struct Web {
///     routes: Groups<Handler, Route>,
/// }
///
/// #[derive(MmStats)]
/// struct Handler {
///     requests: Counter,
/// }
///
/// let web = Web::builder().anonymous().create()?;
/// let route = Route { handler: "index", status: 200, method: Method::Get };
/// // The label text is `requests{code="200",handler="index",method="get"}`.
/// web.routes.group(&route).requests.inc();
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// A group is found by the struct itself, with its `Hash` and `Eq`. Its values become text only when the group is
/// new. Structs that are not equal must not have the same texts.
///
/// A key has 1 to 256 bytes, and contains no control characters, no white space and none of `{ } , = "`. A value has
/// at most 1024 bytes, and no control characters except line feeds. A group has at most 64 labels.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of labels",
    label = "not labels",
    note = "write #[derive(MmLabels, Clone, PartialEq, Eq, Hash)] on the struct"
)]
// `Send`, because statistics are sent to another thread with the labels of their groups.
pub trait MmLabels: Clone + Eq + Hash + Send + 'static {
    /// The keys. The derive sorts them.
    const KEYS: &'static [&'static str];

    /// Returns the text of each key's value, in the order of [`KEYS`](Self::KEYS). Called when a group is made or
    /// removed, not when a known one is found.
    ///
    /// ```
    /// # use mmstats::MmLabels;
    /// #[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
    /// struct Route { handler: &'static str, status: u16 }
    ///
    /// assert_eq!(Route::KEYS, ["handler", "status"]);
    /// assert_eq!(Route { handler: "index", status: 200 }.values(), ["index", "200"]);
    /// ```
    fn values(&self) -> Vec<Cow<'_, str>>;
}

/// A borrowed form of the labels `L`, as [`Groups::group_ref`](crate::Groups::group_ref) takes it; see there for an
/// example. Where the labels have a `String`, it has a `&str`.
///
/// Its `Hash` must be that of the labels it stands for: put `#[derive(Hash)]` on both, with the same fields in the
/// same order; `&str` hashes like `String`. With another `Hash`, a known group is found slowly, by
/// [`to_labels`](Self::to_labels), or counts under `_other` when there can be no more groups.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a borrowed form of the labels `{L}`",
    label = "not a borrowed form of these labels",
    note = "write #[derive(Hash)] on it and implement LabelsRef, or use `group` with the labels themselves"
)]
pub trait LabelsRef<L: MmLabels>: Hash {
    /// Returns whether it stands for these labels.
    fn is(&self, labels: &L) -> bool;

    /// Returns the labels that it stands for. Called when a group is made.
    fn to_labels(&self) -> L;
}

/// A type that a field of [`MmLabels`] may have: a string, an integer, a bool, a char, or an enum of unit variants
/// with `#[derive(MmLabelValue)]`, whose text is the variant in snake_case or what `#[mmstats(name = "…")]` says.
///
/// ```
/// use mmstats::MmLabelValue;
///
/// #[derive(MmLabelValue, Clone, PartialEq, Eq, Hash)]
/// enum Outcome {
///     CacheHit,
///     #[mmstats(name = "miss")]
///     CacheMiss,
/// }
///
/// assert_eq!(Outcome::CacheHit.text(), "cache_hit");
/// assert_eq!(Outcome::CacheMiss.text(), "miss");
/// assert_eq!(200u16.text(), "200");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a label",
    label = "not the value of a label",
    note = "write &'static str, String, Cow<'static, str>, Box<str>, Arc<str>, an integer, bool, char, or an enum with #[derive(MmLabelValue)]"
)]
pub trait MmLabelValue {
    /// Returns the value as readers see it.
    ///
    /// ```
    /// use mmstats::MmLabelValue;
    ///
    /// assert_eq!(true.text(), "true");
    /// assert_eq!('β'.text(), "β");
    /// ```
    fn text(&self) -> Cow<'_, str>;
}

macro_rules! strings {
    ($($string:ty)*) => {
        $(impl MmLabelValue for $string {
            fn text(&self) -> Cow<'_, str> {
                Cow::Borrowed(self)
            }
        })*
    };
}
strings!(&'static str String Cow<'static, str> Box<str> Arc<str>);

macro_rules! printed {
    ($($printed:ty)*) => {
        $(impl MmLabelValue for $printed {
            fn text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        })*
    };
}
printed!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char);
