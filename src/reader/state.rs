//! Whether the thread and the process of a file are still alive.

use std::fmt;
use std::path::Path;

use crate::format::header::{Header, OwnerState};
use crate::sys::process::liveness::{Liveness, Witness};

/// Whether someone still writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A thread of a living process writes it.
    Live,
    /// Its thread has ended, but its process lives.
    Orphan,
    /// Its process has ended.
    Dead,
    /// It cannot be determined from here (another pid namespace, or a file system of another machine).
    Unknown,
}

impl State {
    pub(super) fn of(life: Liveness, owner: OwnerState) -> State {
        match (life, owner) {
            (Liveness::Dead, _) => State::Dead,
            (Liveness::Unknown, _) => State::Unknown,
            (Liveness::Alive, OwnerState::Live) => State::Live,
            (Liveness::Alive, _) => State::Orphan,
        }
    }

    /// Returns its name in JSON.
    ///
    /// ```
    /// assert_eq!(mmstats::reader::State::Live.name(), "live");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            State::Live => "live",
            State::Orphan => "orphan",
            State::Dead => "dead",
            State::Unknown => "unknown",
        }
    }

    /// Returns whether its levels count: as far as is known, a thread writes it now.
    pub(super) fn is_current(self) -> bool {
        matches!(self, State::Live | State::Unknown)
    }
}

/// How the process of a dead file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It exited cleanly and kept the file.
    Clean,
    /// By a panic in its main thread (known only if [`install_panic_hook`](crate::install_panic_hook) was
    /// called).
    Panicked,
    /// Without notice: it was killed or crashed, or its machine went down.
    Vanished,
}

impl Ending {
    pub(super) fn of(owner: OwnerState) -> Ending {
        match owner {
            OwnerState::Ended => Ending::Clean,
            OwnerState::Panicked => Ending::Panicked,
            OwnerState::Live | OwnerState::Orphan => Ending::Vanished,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Answers whether a process lives: the kernel, or a test.
pub trait ProcessStates: fmt::Debug + Send {
    /// Forgets the answers of the last snapshot.
    fn begin_round(&mut self);
    /// Returns whether the process that made a file of this root lives.
    fn life(&mut self, root: &Path, header: &Header) -> Liveness;
}

/// Asks the kernel.
pub struct Kernel(pub Witness);

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kernel")
    }
}

impl ProcessStates for Kernel {
    fn begin_round(&mut self) {
        self.0.begin_round();
    }

    fn life(&mut self, root: &Path, header: &Header) -> Liveness {
        self.0.life(root, header)
    }
}
