//! The results of a bench, as Markdown: printed while it runs, and kept under target/. `bench/summary.md` there
//! combines them with the latest results of the other benches.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All parts, in the order of the summary.
const PARTS: [&str; 7] = [
    "write",
    "write-lto",
    "read",
    "lifecycle",
    "races",
    "serve",
    "push",
];

/// A bench's part of the summary.
pub struct Report {
    /// The name of the part, one of [`PARTS`].
    name: String,
    text: String,
    bounds: Vec<(String, String, bool)>,
}

impl Report {
    pub fn new(bench: &'static str, title: &str) -> Report {
        // The same bench in the profile `lto` is a part of its own.
        let program = std::env::current_exe().unwrap_or_default();
        let lto = program.iter().any(|part| part == "lto");
        let (name, title) = if lto {
            (format!("{bench}-lto"), format!("{title}, with LTO"))
        } else {
            (bench.to_owned(), title.to_owned())
        };
        let mut report = Report {
            name,
            text: String::new(),
            bounds: Vec::new(),
        };
        report.say(&format!("### {title}"));
        report
    }

    /// Adds a paragraph or a heading.
    pub fn say(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    /// Begins a table. The first column is text, the others are figures.
    pub fn table(&mut self, heads: &[&str]) {
        self.line("");
        self.line(&format!("| {} |", heads.join(" | ")));
        self.line(&format!("|---|{}", "---:|".repeat(heads.len() - 1)));
    }

    /// Adds a row to the table.
    pub fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    /// Adds a bound: what the bench must reach, what it reached, and whether that is enough.
    #[allow(dead_code)] // Not every bench has such bounds.
    pub fn bound(&mut self, wanted: impl Into<String>, found: impl Into<String>, kept: bool) {
        self.bounds.push((wanted.into(), found.into(), kept));
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Prints the bounds and, if the whole bench ran, rewrites the summary.
    pub fn finish(mut self, whole: bool) {
        if !self.bounds.is_empty() {
            self.table(&["what it must reach", "found", ""]);
            for (wanted, found, kept) in std::mem::take(&mut self.bounds) {
                let verdict = if kept { "kept" } else { "**MISSED**" };
                self.row(&[wanted, found, verdict.to_owned()]);
            }
        }
        if !whole {
            return;
        }
        let directory = directory();
        let part = |name: &str| directory.join(format!("{name}.md"));
        std::fs::write(part(&self.name), &self.text).expect("a file under target");
        let mut summary = format!("\n{}\n", machine());
        for name in PARTS {
            if let Ok(text) = std::fs::read_to_string(part(name)) {
                let _ = write!(summary, "{text}");
            }
        }
        let path = directory.join("summary.md");
        std::fs::write(&path, summary).expect("a file under target");
        println!("\n(all benches: {})", path.display());
    }
}

/// Returns the directory `bench` under the target directory, which it creates if it is missing.
fn directory() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let directory = target.expect("target/tmp").join("bench");
    std::fs::create_dir_all(&directory).expect("a directory under target");
    directory
}

/// Returns the date, the processor, and the versions of the system and of rustc.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = |field: &str| {
        let line = cpus.lines().find(|line| line.starts_with(field))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    format!(
        "{}: {} (family {}, model {}), {} cores, {}, {}.",
        said("date", &["-u", "+%F"]).unwrap_or_else(unknown),
        cpu("model name").unwrap_or_else(unknown),
        cpu("cpu family").unwrap_or_else(unknown),
        cpu("model\t").unwrap_or_else(unknown),
        std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        said("uname", &["-sr"])
            .and_then(|system| Some(system.split('-').next()?.to_owned()))
            .unwrap_or_else(unknown),
        said("rustc", &["--version"]).unwrap_or_else(unknown),
    )
}
