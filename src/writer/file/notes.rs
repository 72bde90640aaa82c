//! Notes: what is not recorded is reported, and stands in the file for those who read it.

use std::fmt;

use super::StatsFile;
use crate::format::note::{self, Cause, Note};
use crate::metric::space::Space;
use crate::sys::report;

impl StatsFile {
    pub(super) fn note_and_report(&self, cause: Cause, text: &dyn fmt::Display) {
        self.note(cause, text);
        let path = self.path();
        let key = match cause {
            Cause::Group => "groups",
            Cause::Growth => "growth",
            Cause::Unknown(_) => "other",
        };
        report::once(
            &self.model,
            key,
            &format_args!("{}: {text}", path.display()),
        );
    }

    /// Appends a note, unless there is one of this cause. The space for it was kept.
    fn note(&self, cause: Cause, text: &dyn fmt::Display) {
        let bit = 1 << cause.code();
        // What is being appended would be published with it.
        let now = !self.appending.get() && !self.is_anonymous() && !self.is_inherited();
        if !now || self.noted.get() & bit != 0 {
            return;
        }
        self.noted.set(self.noted.get() | bit);
        self.appending.set(true);
        let record = Note {
            cause,
            text: text.to_string(),
        }
        .encode();
        self.for_notes.set(self.for_notes.get() - note::LONGEST);
        // Without an instance in the making, as with octaves and parts. It cannot fail: the space is there.
        let end = self.tail.get() + record.len();
        if self.append(&record, end, true).is_ok() {
            self.publish();
        }
        self.appending.set(false);
    }
}
