//! The rows of the table: run by criterion, or once.

use std::time::Duration;

use criterion::Criterion;

use super::report::Report;

/// Samples of a row that criterion runs.
const SAMPLES: usize = 100;

/// The rows that were asked for.
pub struct Rows {
    criterion: Criterion,
    /// Parts of names; all rows if there are none.
    named: Vec<String>,
    /// Shown at the end: criterion prints its own in between.
    found: Vec<[String; 3]>,
    bounds: Vec<(String, String, bool)>,
}

impl Rows {
    /// Those whose names contain one of `named`; if there are none, all.
    pub fn new(named: Vec<String>) -> Rows {
        // Without criterion's reading of the arguments, which ends at what it does not know.
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

    /// Whether a row was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.named.is_empty() || self.named.iter().any(|part| name.contains(part))
    }

    /// A row that criterion runs: `run` does something so many times and gives the time of each.
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
        // What came before them was to warm up.
        let measured = samples.split_off(samples.len() - SAMPLES);
        self.measured(name, measured.concat());
    }

    /// A row of times that were measured elsewhere.
    pub fn measured(&mut self, name: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        self.row(name, times[times.len() / 2], times[0]);
    }

    /// A row that was measured once: so many files together, and each of them.
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

    /// What it must reach, what it did reach, and whether that is enough.
    pub fn bound(&mut self, wanted: String, found: String, kept: bool) {
        self.bounds.push((wanted, found, kept));
    }

    /// Shows the table and, if no rows were named, puts it into the summary.
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
