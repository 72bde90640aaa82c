//! Data about a process from /proc: its threads' names, its CPU time and its memory.

use std::fs;
use std::time::Instant;

use mmstats::reader::printable;

/// Returns the name of a thread, if it exists on this machine.
pub fn thread_name(pid: u32, tid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
    Some(printable(name.trim_end()).into_owned())
}

/// The processor time and memory of one process, from one reading to the next.
#[derive(Debug)]
pub struct Meter {
    pid: u32,
    /// Clock ticks, and the time when they were read.
    before: Option<(u64, Instant)>,
}

impl Meter {
    pub fn new(pid: u32) -> Meter {
        Meter { pid, before: None }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its usage since the last reading, in words; empty if it cannot be read.
    pub fn read(&mut self) -> String {
        let pid = self.pid;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((ticks, pages)) = parse(&stat) else {
            return String::new();
        };
        let now = Instant::now();
        let before = self.before.replace((ticks, now));
        let memory = crate::ui::numbers::bytes(pages * rustix::param::page_size() as u64);
        match before {
            Some((ticks_before, at)) if now > at => {
                let ticks = ticks.saturating_sub(ticks_before) as f64;
                let seconds = ticks / rustix::param::clock_ticks_per_second() as f64;
                let percent = 100.0 * seconds / (now - at).as_secs_f64();
                format!("{pid}: CPU {percent:.0} %, {memory}")
            }
            _ => format!("{pid}: {memory}"),
        }
    }
}

/// Parses ticks in user and kernel mode, and resident pages, from a line of `/proc/<pid>/stat`. The name in it may
/// contain spaces and parentheses.
fn parse(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((number(11)? + number(12)?, number(21)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat =
            "12 (a) b) S 1 12 12 0 -1 4194560 100 0 0 0 70 30 0 0 20 0 1 0 500 1000000 250 1";
        assert_eq!(parse(stat), Some((100, 250)));
        assert_eq!(parse(""), None);
    }
}
