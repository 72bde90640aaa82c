//! `_other`: the group that counts what can have no group of its own.

use std::cell::Cell;

use super::Groups;
use super::key::{GroupBy, OTHER};
use crate::Error;
use crate::format::note::Cause;
use crate::metric::storage::Room;
use crate::sys::lifecycle::report;
use crate::sys::memory::mapped::MappedBox;
use crate::writer::local::Private;
use crate::writer::model::MmStats;

impl<T: MmStats, L: GroupBy> Groups<T, L> {
    /// Returns the group that `make` returns, or `_other` if `make` fails or is not to be called.
    pub(super) fn or_other<'a>(
        &'a self,
        make: &dyn Fn() -> Result<&'a T, Error>,
        shown: &dyn Fn() -> String,
    ) -> &'a T {
        /// Clears `asking` when dropped, also after a panic in the user's `value = …`.
        struct Asked<'a>(&'a Cell<bool>);
        impl Drop for Asked<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.file.is_none() || self.asking.replace(true) {
            return self.other_now();
        }
        let asking = Asked(&self.asking);
        let refused = self.refused.get();
        let mut error = None;
        // Many new groups on a full file must not cost a system call each.
        if refused == 0 || refused.is_power_of_two() {
            match make() {
                Ok(group) => return group,
                Err(refusal) => error = Some(refusal),
            }
        }
        // An invalid name says nothing about the next one.
        let of_name = |error: &Error| {
            matches!(
                error,
                Error::Name { .. } | Error::DuplicateLabel { .. } | Error::Busy { .. }
            )
        };
        if !error.as_ref().is_some_and(of_name) {
            self.refused.set(refused.saturating_add(1));
        }
        let lost = self.make_other().err();
        // (A report within another one is left for the next time.)
        let report = error.filter(|_| !report::is_reporting() && !self.reported.replace(true));
        if report.is_some() {
            // The state is final now: the logger may use these groups.
            drop(asking);
            self.report(shown, report, lost);
        }
        // Without a report `asking` is dropped last, because freeing an error may reenter this function, too.
        self.other_now()
    }

    /// Reports once why the group could not be made.
    fn report(&self, shown: &dyn Fn() -> String, error: Option<Error>, lost: Option<Error>) {
        let (Some((storage, _)), Some(error)) = (&self.file, error) else {
            return;
        };
        let group = shown();
        match lost {
            None => {
                let text = format_args!(
                    "{}; the group {group} and later ones count under {OTHER:?}",
                    error.of_known_file()
                );
                storage.report(Cause::Group, &text);
            }
            Some(lost) => {
                let text = format_args!(
                    "{}; the group {group} and more are not recorded, because {OTHER:?} cannot \
                     be made either: {}",
                    error.of_known_file(),
                    lost.of_known_file()
                );
                storage.report(Cause::Group, &text);
            }
        }
    }

    /// Makes `_other` in the file, if it does not exist. Its space was kept aside. Fails if its labels would be too
    /// long or already exist.
    pub(super) fn make_other(&self) -> Result<(), Error> {
        if self.other.get().is_none() {
            // It may be set already, by a reentrant call.
            let other = Box::new(self.bind(L::other(&self.around)?, Room::KeptAside)?.0);
            let _ = self.other.set(other);
        }
        Ok(())
    }

    /// Returns `_other`, or private memory if `_other` is not in the file. Allocates nothing.
    pub(super) fn other_now(&self) -> &T {
        if let Some(other) = self.other.get() {
            return other;
        }
        loop {
            if let Some(unseen) = self.unseen.get() {
                return &unseen.model;
            }
            // It may be set already, as above. (`get_or_init` would panic then.)
            let _ = self.unseen.set(MappedBox::new(Private::new()));
        }
    }
}
