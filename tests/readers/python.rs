//! `docs/readers/mmstats.py`: how to run it.

use super::compare::{self, Reader, manifest};

pub fn find() -> Option<Reader> {
    let script = manifest("docs/readers/mmstats.py");
    compare::find("mmstats.py", "python3", &[script])
}
