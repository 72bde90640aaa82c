//! Structs as labels: what tells a group from the others, as pairs of a key and a value.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;

/// A struct whose fields are labels: the key of [`Groups<T, L>`](crate::Groups). Made by `#[derive(MmLabels)]`.
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
/// A group is found by the struct itself, by its `Hash` and `Eq`: its values become text only when the group is
/// new. Two structs that are not equal must not have the same text.
///
/// A key has 1 to 256 bytes, and neither control characters nor white space nor one of `{ } , = "`. A value has at
/// most 1024 bytes and no control characters but the line feed. A group has at most 64 labels.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of labels",
    label = "not labels",
    note = "write #[derive(MmLabels, Clone, PartialEq, Eq, Hash)] on the struct"
)]
// `Send`: statistics are sent to another thread with the labels of their groups.
pub trait MmLabels: Clone + Eq + Hash + Send + 'static {
    /// The keys. The derive sorts them.
    const KEYS: &'static [&'static str];

    /// The text of the value of each key, in the order of [`KEYS`](Self::KEYS). Asked for when a group is made.
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

/// A borrowed form of the labels `L`: what [`Groups::group_ref`](crate::Groups::group_ref) takes, with an example. A text
/// that labels have as a `String`, it has as a `&str`.
///
/// Its `Hash` is that of the labels it stands for: `#[derive(Hash)]` on both, with the same fields in the same order, where
/// `&str` hashes as `String` does. With another `Hash` a known group is found slowly, by [`to_labels`](Self::to_labels), or
/// counts as `_other` where there can be no more groups.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a borrowed form of the labels `{L}`",
    label = "not a borrowed form of these labels",
    note = "write #[derive(Hash)] on it and implement LabelsRef, or use `group` with the labels themselves"
)]
pub trait LabelsRef<L: MmLabels>: Hash {
    /// Whether it stands for these labels.
    fn is(&self, labels: &L) -> bool;

    /// The labels that it stands for. Asked for when a group is made.
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
    /// The value as readers see it.
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
