//! The rows of the table: run by criterion, or measured once.

use std::time::Duration;

use criterion::Criterion;

use super::report::Report;

/// Samples of a row that criterion runs.
const SAMPLES: usize = 100;

/// The rows that were asked for.
pub struct Rows {
    criterion: Criterion,
    /// Parts of names; all rows were asked for if there are none.
    named: Vec<String>,
    /// Printed at the end, because criterion prints its own output in between.
    found: Vec<[String; 3]>,
    bounds: Vec<(String, String, bool)>,
}

impl Rows {
    /// Selects the rows whose names contain one of `named`, or all rows if it is empty.
    pub fn new(named: Vec<String>) -> Rows {
        // Criterion does not parse the arguments: it would exit at one that it does not know.
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(SAMPLES)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        Rows {
            criterion,
            named,
            found: Vec::new(),
            bounds: Vec::new(),
        }
    }

    /// Returns whether a row was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.named.is_empty() || self.named.iter().any(|part| name.contains(part))
    }

    /// Adds a row that criterion runs: `run` repeats an operation as often as it is told and returns the time of each.
    pub fn repeated(&mut self, name: &str, mut run: impl FnMut(u64) -> Vec<Duration>) {
        if !self.wants(name) {
            return;
        }
        let mut samples = Vec::new();
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|number| {
                let times = run(number);
                let sum = times.iter().sum();
                samples.push(times);
                sum
            });
        });
        // The samples before these were the warm-up.
        let measured = samples.split_off(samples.len() - SAMPLES);
        self.measured(name, measured.concat());
    }

    /// Adds a row of times that were measured elsewhere.
    pub fn measured(&mut self, name: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        self.row(name, times[times.len() / 2], times[0]);
    }

    /// Adds a row that was measured once, for all files together, and a row for each file.
    pub fn once(&mut self, name: &str, time: Duration, files: usize) {
        self.row(name, time, time);
        let each = time / files as u32;
        self.row(&format!("{name}: each"), each, each);
    }

    fn row(&mut self, name: &str, median: Duration, least: Duration) {
        self.found.push([
            name.to_owned(),
            format!("{median:.1?}"),
            format!("{least:.1?}"),
        ]);
    }

    /// Adds a bound: what the bench must reach, what it reached, and whether that is enough.
    pub fn bound(&mut self, wanted: String, found: String, kept: bool) {
        self.bounds.push((wanted, found, kept));
    }

    /// Prints the table and, if no rows were named, adds it to the summary.
    pub fn finish(self) {
        let mut report = Report::new("lifecycle", "The life of files");
        report.table(&["", "median", "least"]);
        for row in &self.found {
            report.row(row);
        }
        for (wanted, found, kept) in self.bounds {
            report.bound(wanted, found, kept);
        }
        report.finish(self.named.is_empty());
    }
}
