//! Looking up groups by a borrowed form of their labels.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use hashbrown::Equivalent;

use super::{GroupBy, Groups};
use crate::Error;
use crate::writer::labels::{LabelsRef, MmLabels};
use crate::writer::model::MmStats;

/// Borrowed labels to look up.
struct LookupLabels<'a, Q: ?Sized>(&'a Q);

// Hashes like the labels in the table, as `LabelsRef` promises.
impl<Q: Hash + ?Sized> Hash for LookupLabels<'_, Q> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<L: MmLabels, Q: LabelsRef<L> + ?Sized> Equivalent<Rc<L>> for LookupLabels<'_, Q> {
    #[inline]
    fn equivalent(&self, labels: &Rc<L>) -> bool {
        self.0.is(labels)
    }
}

impl<T: MmStats, L: MmLabels> Groups<T, L> {
    /// Returns the group with these labels, by a borrowed form of them ([`LabelsRef`]), and makes it if it is new.
    /// If it cannot be made, returns `_other`, as [`group`](Self::group) does.
    ///
    /// Finding a known group costs the same as by the labels themselves, and copies no text. The labels are made
    /// only for a new group.
    ///
    /// ```
    /// use mmstats::{Counter, Groups, LabelsRef, MmLabels, MmStats};
    ///
    /// #[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
    /// struct Route {
    ///     path: String,
    ///     status: u16,
    /// }
    ///
    /// /// The same fields in the same order, so that the derived `Hash` is the same.
    /// #[derive(Hash)]
    /// struct RouteRef<'a> {
    ///     path: &'a str,
    ///     status: u16,
    /// }
    ///
    /// impl LabelsRef<Route> for RouteRef<'_> {
    ///     fn is(&self, route: &Route) -> bool {
    ///         self.status == route.status && self.path == route.path
    ///     }
    ///
    ///     fn to_labels(&self) -> Route {
    ///         Route { path: self.path.to_owned(), status: self.status }
    ///     }
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
    /// let request = String::from("GET /index");
    /// let path = &request[4..];
    /// web.routes.group_ref(&RouteRef { path, status: 200 }).requests.inc();
    /// let route = Route { path: "/index".into(), status: 200 };
    /// assert_eq!(web.routes.group(&route).requests.get(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn group_ref<Q: LabelsRef<L> + ?Sized>(&self, labels: &Q) -> &T {
        match self.known.get(&LookupLabels(labels)) {
            Some(group) if self.none_ended() || group.is_there() => group.lend(&self.lent),
            _ => self.new_of_ref_or_other(labels),
        }
    }

    /// Like [`group_ref`](Self::group_ref), but returns an error if the group cannot be made.
    ///
    /// # Errors
    /// As for [`try_group`](Self::try_group).
    pub fn try_group_ref<Q: LabelsRef<L> + ?Sized>(&self, labels: &Q) -> Result<&T, Error> {
        let known = self.known.get(&LookupLabels(labels));
        match known.filter(|group| group.is_there()) {
            Some(group) => Ok(group.lend(&self.lent)),
            // This looks for it again, so a wrong `Hash` of the borrowed form makes no second group.
            None => self.try_group(&labels.to_labels()),
        }
    }

    #[cold]
    fn new_of_ref_or_other<Q: LabelsRef<L> + ?Sized>(&self, labels: &Q) -> &T {
        self.or_other(&|| self.try_group_ref(labels), &|| {
            L::shown(&labels.to_labels())
        })
    }
}
