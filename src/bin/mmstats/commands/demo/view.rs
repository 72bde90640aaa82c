//! The table: shows the contents of the service's stats files.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use mmstats::reader::Reader;
use mmstats::{Error, MmStats, Value};

use super::load::{AnswerCounts, Answers};
use super::server::Web;
use crate::ui::numbers::{bytes, counted, duration, grouped};

const HANDLERS: [&str; 2] = ["index", "login"];
/// Rates cover the time since the oldest picture that is not older than this.
const WINDOW: Duration = Duration::from_millis(1100);

/// The contents of the files at one time.
#[derive(Clone, Debug)]
pub struct Picture {
    at: Instant,
    files: usize,
    requests: u64,
    in_flight: i64,
    /// The median size of the answers.
    body_size: Option<u64>,
    handlers: [Handler; 2],
}

/// One handler; times in nanoseconds.
#[derive(Clone, Debug, Default)]
struct Handler {
    answers: Answers,
    p50: Option<u64>,
    p99: Option<u64>,
    max: Option<u64>,
}

impl Picture {
    /// Reads the files of all threads of the service; `None` if there are none.
    pub fn take(reader: &mut Reader) -> Result<Option<Picture>, Error> {
        let snapshot = reader.snapshot()?;
        let Some(model) = snapshot.model(Web::NAME) else {
            return Ok(None);
        };
        let value = |label: &str| model.get(label);
        let count = |label: &str| value(label).and_then(Value::as_u64).unwrap_or(0);
        let handler = |name: &str| {
            let times =
                value(&format!("{name}.response_time")).and_then(|value| value.as_distribution());
            Handler {
                answers: Answers {
                    ok: count(&format!("{name}.response_ok")),
                    bad: count(&format!("{name}.response_bad")),
                },
                p50: times.and_then(|times| times.percentile(50.0)),
                p99: times.and_then(|times| times.percentile(99.0)),
                max: times.and_then(|times| times.max()),
            }
        };
        Ok(Some(Picture {
            at: Instant::now(),
            files: model.files().len(),
            requests: count("requests"),
            in_flight: value("in_flight").and_then(Value::as_i64).unwrap_or(0),
            body_size: value("body_size.Median").and_then(Value::as_u64),
            handlers: HANDLERS.map(handler),
        }))
    }

    /// Returns the number of stats files, which is that of threads.
    pub fn files(&self) -> usize {
        self.files
    }
}

/// The recent pictures, and how they are shown.
pub struct View {
    first: Picture,
    /// The last pictures, never empty.
    recent: VecDeque<Picture>,
    /// The number of lines on the terminal that the next table replaces.
    drawn: usize,
}

impl View {
    pub fn new(first: Picture) -> View {
        View {
            recent: VecDeque::from([first.clone()]),
            first,
            drawn: 0,
        }
    }

    /// Returns the last picture.
    pub fn now(&self) -> &Picture {
        &self.recent[self.recent.len() - 1]
    }

    pub fn add(&mut self, picture: Picture) {
        // An older one may stay if there is no other.
        while self.recent.len() > 1 && picture.at - self.recent[0].at > WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(picture);
    }

    /// Draws the table over the previous one.
    pub fn redraw(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.erase(out)?;
        let lines = self.table(&self.recent[0]);
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        self.drawn = lines.len();
        out.flush()
    }

    fn erase(&mut self, out: &mut impl Write) -> io::Result<()> {
        match std::mem::take(&mut self.drawn) {
            0 => Ok(()),
            // Moves up this many lines and clears everything below.
            lines => write!(out, "\x1b[{lines}A\x1b[J"),
        }
    }

    /// Writes one line, for output that cannot be drawn over.
    pub fn write_line(&self, out: &mut impl Write) -> io::Result<()> {
        let (now, before) = (self.now(), &self.recent[0]);
        write!(
            out,
            "{:>4} s",
            (now.at - self.first.at).as_secs_f64().round()
        )?;
        for (i, name) in HANDLERS.iter().enumerate() {
            let handler = &now.handlers[i];
            write!(
                out,
                "   {name} {:.0}/s, {} bad, p50 {}, p99 {}",
                self.rate(before, |picture| picture.handlers[i].answers.total()),
                grouped(handler.answers.bad),
                time(handler.p50),
                time(handler.p99),
            )?;
        }
        writeln!(out, "   in flight {}", now.in_flight)?;
        out.flush()
    }

    /// Shows the last picture, with its table for the whole time.
    pub fn finish(
        &mut self,
        picture: Picture,
        redraws: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if redraws {
            self.erase(out)?;
        } else {
            writeln!(out)?;
        }
        self.recent.push_back(picture);
        let seconds = (self.now().at - self.first.at).as_secs_f64();
        writeln!(
            out,
            "In {seconds:.1} s, over {}:",
            counted(self.now().files as u64, "file", "files")
        )?;
        for line in self.table(&self.first) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// Writes what the clients counted, and whether the files agree.
    pub fn compare(&self, counted: &AnswerCounts, out: &mut impl Write) -> io::Result<bool> {
        let now = self.now();
        let answers = now.handlers.each_ref().map(|handler| handler.answers);
        let total = counted.index.total() + counted.login.total();
        let agree = answers == [counted.index, counted.login]
            && now.requests == total
            && now.in_flight == 0
            && counted.failed == 0;
        writeln!(
            out,
            "\nThe clients counted {} answers ({} ok, {} bad), the stats files {} requests: {}",
            grouped(total),
            grouped(counted.index.ok + counted.login.ok),
            grouped(counted.index.bad + counted.login.bad),
            grouped(now.requests),
            if agree {
                "they agree."
            } else {
                "they DISAGREE."
            },
        )?;
        if counted.failed > 0 {
            writeln!(out, "{} requests had no answer.", grouped(counted.failed))?;
        }
        if !agree {
            writeln!(out, "clients: {counted:?}\nfiles:   {now:?}")?;
        }
        Ok(agree)
    }

    fn rate(&self, before: &Picture, count: impl Fn(&Picture) -> u64) -> f64 {
        let seconds = (self.now().at - before.at).as_secs_f64();
        // Saturates, since the count is smaller if somebody removed a file.
        let count = count(self.now()).saturating_sub(count(before));
        if seconds > 0.0 {
            count as f64 / seconds
        } else {
            0.0
        }
    }

    /// Returns a line for each handler, with rates since an earlier picture.
    fn table(&self, before: &Picture) -> Vec<String> {
        let now = self.now();
        let row = |cells: [&str; 8]| {
            let [name, numbers @ ..] = cells;
            let numbers = numbers.map(|cell| format!("{cell:>10}")).concat();
            format!("{name:<8}{numbers}")
        };
        let mut lines = vec![row([
            "handler", "requests", "rate/s", "ok", "bad", "p50", "p99", "max",
        ])];
        for (i, (name, handler)) in HANDLERS.iter().zip(&now.handlers).enumerate() {
            let Answers { ok, bad } = handler.answers;
            let rate = self.rate(before, |picture| picture.handlers[i].answers.total());
            lines.push(row([
                name,
                &grouped(ok + bad),
                &format!("{rate:.1}"),
                &grouped(ok),
                &grouped(bad),
                &time(handler.p50),
                &time(handler.p99),
                &time(handler.max),
            ]));
        }
        lines.push(format!(
            "in flight {}, median answer size {}",
            now.in_flight,
            now.body_size.map_or_else(|| "-".to_owned(), bytes),
        ));
        lines
    }
}

fn time(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "-".to_owned(), duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(at: Instant, ok: u64) -> Picture {
        let answers = Answers { ok, bad: 1 };
        let handler = Handler {
            answers,
            p50: Some(12_345),
            p99: Some(1_500_000),
            max: None,
        };
        Picture {
            at,
            files: 2,
            requests: 2 * answers.total(),
            in_flight: 0,
            body_size: Some(57),
            handlers: [handler.clone(), handler],
        }
    }

    #[test]
    fn rates_are_those_of_the_last_second() {
        let begin = Instant::now();
        let mut view = View::new(picture(begin, 0));
        view.add(picture(begin + Duration::from_secs(5), 1_000));
        view.add(picture(begin + Duration::from_secs(6), 1_500));
        let mut out = Vec::new();
        view.redraw(&mut out).unwrap();
        view.write_line(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "handler   requests    rate/s        ok       bad       p50       p99       max\n\
             index        1,501     500.0     1,500         1   12.3 µs   1.50 ms         -\n\
             login        1,501     500.0     1,500         1   12.3 µs   1.50 ms         -\n\
             in flight 0, median answer size 57 B\n   \
             6 s   index 500/s, 1 bad, p50 12.3 µs, p99 1.50 ms   \
             login 500/s, 1 bad, p50 12.3 µs, p99 1.50 ms   in flight 0\n"
        );
    }

    #[test]
    fn a_missing_answer_is_no_agreement() {
        let view = View::new(picture(Instant::now(), 9));
        let mut counted = AnswerCounts {
            index: Answers { ok: 9, bad: 1 },
            ..AnswerCounts::default()
        };
        counted.login = counted.index;
        assert!(view.compare(&counted, &mut Vec::new()).unwrap());
        counted.login.ok += 1;
        assert!(!view.compare(&counted, &mut Vec::new()).unwrap());
    }
}
