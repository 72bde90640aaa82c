//! Tells a long-running command when to end: on a signal, or when its terminal is gone.
//!
//! `poll(2)` reports both without reading. So a terminal that is gone, from which every read returns 0 bytes or EIO,
//! is never read in a loop.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::terminal::disable_raw_mode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Requests to end: by signals, and by a terminal or pipe that is gone.
pub struct Stop {
    /// Readable once a signal has come. It is never read, so it stays readable.
    signals: UnixStream,
}

/// The reason why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// The command has to end.
    Stop,
    /// Stdin can be read.
    Input,
    /// The time has passed, or a signal came that does not ask to end (the size of the terminal changed).
    Time,
}

impl Stop {
    /// Listens for SIGHUP (unless it is ignored, as below nohup), SIGINT and SIGTERM.
    ///
    /// After a signal the command has the time `grace` to end on its own. Then the process exits, whatever it waits
    /// for: a terminal that accepts no output, or a file system that does not answer.
    pub fn listen(grace: Duration) -> io::Result<Stop> {
        let (signals, sender) = UnixStream::pair()?;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if signal != SIGHUP || !is_ignored(signal) {
                pipe::register(signal, sender.try_clone()?)?;
            }
        }
        let watched = signals.try_clone()?;
        thread::Builder::new()
            .name("stop".to_owned())
            .spawn(move || {
                let mut signals = [PollFd::new(&watched, PollFlags::IN)];
                while let Err(Errno::INTR) = poll(&mut signals, None) {}
                thread::sleep(grace);
                // Restores only the modes of the terminal, which does not block.
                let _ = disable_raw_mode();
                process::exit(1);
            })?;
        Ok(Stop { signals })
    }

    /// Waits for some time; returns true as soon as the command has to end.
    pub fn within(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.wait(left, PollFlags::empty()) {
                WakeReason::Stop => return true,
                _ if left.is_zero() => return false,
                _ => {}
            }
        }
    }

    /// Waits for input for some time.
    pub fn or_input_within(&self, time: Duration) -> WakeReason {
        self.wait(time, PollFlags::IN)
    }

    fn wait(&self, time: Duration, input: PollFlags) -> WakeReason {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        // For stdout, only what is always reported: that its other end is gone. The end of stdin alone means nothing,
        // so only callers that read stdin poll it.
        let mut all = [
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()),
            PollFd::from_borrowed_fd(stdin.as_fd(), input),
        ];
        let asked = if input.is_empty() {
            &mut all[..2]
        } else {
            &mut all[..]
        };
        // A time that does not fit is as good as no timeout.
        let time = Timespec::try_from(time).ok();
        match poll(asked, time.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return WakeReason::Time,
            // Without an answer, nothing would tell when to end, so it ends now.
            Err(_) => return WakeReason::Stop,
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let signal = !all[0].revents().is_empty();
        if signal || all[1..].iter().any(|fd| fd.revents().intersects(gone)) {
            WakeReason::Stop
        } else if all[2].revents().contains(PollFlags::IN) {
            WakeReason::Input
        } else {
            WakeReason::Time
        }
    }
}

/// Returns whether this process was started with a signal ignored, according to /proc.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
