//! Notes: what is not recorded is reported, and noted in the file for its readers. Also descriptions of metrics.

use std::fmt;

use super::StatsFile;
#[cfg(feature = "metrics")]
use crate::format::description::Description;
use crate::format::note::{self, Cause, Note};
use crate::metric::storage::{Append, Storage};
use crate::sys::lifecycle::report;

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

    /// Appends what metrics of a kind and label mean, in whichever file of the model they are. Returns false if it
    /// cannot be appended. In private memory nothing is appended, because nobody reads it, and why it is private
    /// memory was reported.
    #[cfg(feature = "metrics")]
    pub fn describe(&self, description: &Description) -> bool {
        if self.is_anonymous() || self.is_inherited() {
            return true;
        }
        let (Some(append), Some(record)) = (Append::begin(self), description.encode()) else {
            return false;
        };
        let end = self.tail.get() + record.len();
        let is_appended = self.append(&record, end, false).is_ok();
        if is_appended {
            append.publish();
        }
        is_appended
    }

    /// Appends a note, unless there is one of this cause. The space for it was kept aside.
    pub fn note(&self, cause: Cause, text: &dyn fmt::Display) {
        let bit = 1 << cause.code();
        if self.is_anonymous() || self.is_inherited() || self.noted.get() & bit != 0 {
            return;
        }
        let Some(append) = Append::begin(self) else {
            return;
        };
        self.noted.set(self.noted.get() | bit);
        let record = Note {
            cause,
            text: text.to_string(),
        }
        .encode();
        self.for_notes.set(self.for_notes.get() - note::LONGEST);
        // This cannot fail: the space is there.
        let end = self.tail.get() + record.len();
        if self.append(&record, end, true).is_ok() {
            append.publish();
        }
    }
}
