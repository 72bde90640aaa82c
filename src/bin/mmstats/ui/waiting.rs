//! Waits between two outputs, as long as somebody can read them.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often the clock is checked while nothing happens: a timeout of poll(2) stops while the machine sleeps.
const STEP: Duration = Duration::from_secs(1);

/// Waits until `end`. Returns false as soon as stdout has no reader any more: its pipe is closed, or its terminal is
/// gone.
pub fn until(end: Instant) -> bool {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if is_gone(left.min(STEP)) {
            return false;
        }
        if left <= STEP && Instant::now() >= end {
            return true;
        }
    }
}

/// Waits for at most `wait`, and returns whether stdout has no reader any more.
pub fn is_gone(wait: Duration) -> bool {
    let stdout = io::stdout();
    // poll(2) always reports errors and the end of a terminal.
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let wait = Timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()) as _,
    };
    match poll(&mut asked, Some(&wait)) {
        Ok(_) => !asked[0].revents().is_empty(),
        Err(Errno::INTR) => false,
        // Not known here: the next write will tell.
        Err(_) => {
            std::thread::sleep(Duration::new(wait.tv_sec as u64, wait.tv_nsec as u32));
            false
        }
    }
}
