//! Windows: what a metric counted in, say, the last minute, beside what it has counted in all.
//!
//! A metric with a window has a second entry in the schema, `<label>.Window`. It has space for [`STEPS`] values
//! of the metric's own kind, each with the time at which its *step* began. A window is [`COUNTED`] steps long.
//! The writer records each value a second time, in the current step, and reuses the oldest space for a new
//! step. (A step of a counter holds the count at its start, which the ticker stores.) A reader adds up the
//! steps that are not too old *by the reader's clock*. So a window empties without a write, and a reader that
//! has just started sees it correctly at once.
//!
//! # How exact it is
//! The current step is not complete, so what counts reaches between 11 and 12 steps back. Up to a twelfth of
//! the window is missing at its far edge, and nothing older is ever counted. The clock is the system's
//! monotonic one, the same for all processes of a machine since it was started. Setting the time does not
//! change it. (It stands still while the machine sleeps.) The window of a file is left out if the file is from
//! another machine, another boot of this one, or another time namespace.

pub mod kind;
pub(super) mod ring;
#[cfg(test)]
mod tests;

use crate::format::schema::Geometry;

/// Number of steps that count.
pub const COUNTED: u64 = 12;
/// Number of steps that have space. The one that is being reused is outside every window.
pub const STEPS: usize = COUNTED as usize + 1;
/// The suffix of the label of a window's entry.
pub const SUFFIX: &str = ".Window";
/// Number of plain words before those of the kind: the length of a step in nanoseconds.
pub const PLAIN: usize = 1;
/// The shortest and the longest window, in nanoseconds. A step should be many ticks of the coarse clock.
pub const LENGTHS: std::ops::RangeInclusive<u64> = 1_000_000_000..=24 * 3_600_000_000_000;

/// Returns the parameter of a window: the code of the metric's kind, and its digits if it is a distribution.
pub(super) fn parameter(kind: u16, digits: u32) -> u32 {
    u32::from(kind) | digits << 8
}

/// Returns the geometry of a window with this many words per step, and this many plain words beside its own.
pub(super) fn geometry(words: usize, plain: usize, buffers: Option<u16>) -> Geometry {
    Geometry {
        plain: (PLAIN + plain) as u16,
        ..Geometry::slot(STEPS * words, buffers)
    }
}
