//! The exit of the process: its files are removed, folded, or left.

use super::ending;
use super::files::{self, End, FileName};

/// Makes the exit end the files. To be called once.
pub fn register() {
    // Miri does not support exit handlers.
    if cfg!(not(miri)) {
        // SAFETY: the handler stays valid as long as the program (or the shared object) is loaded.
        unsafe { libc::atexit(at_exit) };
    }
}

/// Ends every remaining file of this process as a drop does.
extern "C" fn at_exit() {
    ending::begin();
    ending::wait_for_names();
    end_all();
    ending::wait_for_names();
}

fn end_all() {
    let mut to_fold: Vec<FileName> = Vec::new();
    let mut fold: Option<fn(&[FileName])> = None;
    // The path is copied under the lock, and the file is removed outside it.
    let mut path = [0u8; libc::PATH_MAX as usize];
    while let Some((device, inode, end)) = files::end_next(&mut path) {
        let Ok(path) = std::ffi::CStr::from_bytes_until_nul(&path) else {
            continue;
        };
        let file = FileName {
            path: path.to_owned(),
            device,
            inode,
            end,
        };
        match end {
            End::Fold(with) => {
                fold = Some(with);
                to_fold.push(file);
            }
            End::Remove | End::Keep => file.remove(),
        }
    }
    // All files at once: one step per model.
    if let Some(fold) = fold {
        fold(&to_fold);
    }
}
