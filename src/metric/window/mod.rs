//! Windows: what a metric counted in the last minute, say, beside what it ever counted.
//!
//! A metric with a window has a second entry in the schema, `<label>.Window`. It has room for
//! [`STEPS`] values of the metric's own kind, each with the time at which its *step* began: a window is
//! [`COUNTED`] steps long. The writer records each value a second time, in the step of now, and takes
//! the oldest room for a new step. A reader adds up the steps that are not too old *for the reader's
//! clock*; so a window empties without a write, and is right at once for a reader that was not there
//! before.
//!
//! # How exact it is
//! The step of now is a part of one, so what counts reaches between 11 and 12 steps back: up to a twelfth
//! of the window is missing at its far edge, and never is anything counted that is older. The clock is
//! the system's monotonic one, the same for all processes of a machine since it was started: setting
//! the time changes nothing. (It stands still while the machine sleeps.) The window of a file of another
//! machine, of another run of this one, or of another time namespace is left out.

pub mod kind;
pub(super) mod ring;
#[cfg(test)]
mod tests;

use crate::format::schema::Geometry;

/// Steps that count.
pub const COUNTED: u64 = 12;
/// Steps that have room: the one that is begun anew is out of every window.
pub const STEPS: usize = COUNTED as usize + 1;
/// What the label of a window's entry ends with.
pub const SUFFIX: &str = ".Window";
/// Plain words before those of the kind: nanoseconds of a step.
pub const PLAIN: usize = 1;
/// The shortest window and the longest, in nanoseconds: a step should be many ticks of the coarse clock.
pub const LENGTHS: std::ops::RangeInclusive<u64> = 1_000_000_000..=24 * 3_600_000_000_000;

/// The parameter of a window: the code of the metric's kind, and its digits if it is a distribution.
pub(super) fn parameter(kind: u16, digits: u32) -> u32 {
    u32::from(kind) | digits << 8
}

/// The place of a window of so many words a step, and of so many plain words beside its own.
pub(super) fn geometry(words: usize, plain: usize, buffers: Option<u16>) -> Geometry {
    Geometry {
        plain: (PLAIN + plain) as u16,
        ..Geometry::slot(STEPS * words, buffers)
    }
}
