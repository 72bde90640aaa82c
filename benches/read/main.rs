//! The cost of reading, and how it grows: 10, 1,000 and 10,000 files of 100 counters, beside the bare cost of
//! pread over the same files and, where Python is installed, `docs/readers/mmstats.py` and prometheus_client's
//! multiprocess mode.
//!
//! `cargo bench --bench read` prints the tables; `-- 100000` adds a size; `-- --plot` draws the curves
//! in docs/.

#[path = "../directory.rs"]
mod directory;
mod files;
mod mmstats_py;
mod plot;
mod process;
mod python;
#[path = "../report.rs"]
mod report;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use files::{Content, Files};
use process::Taken;
use python::Python;
use report::Report;

/// What is compared for one number of files.
struct Size {
    files: usize,
    bare: Duration,
    /// Mapped, and by pread.
    taken: [Taken; 2],
    python: Option<Duration>,
    /// mmstats.py, from its start to its end.
    reader: Option<Duration>,
    bytes: u64,
}

const WAYS: [&str; 2] = ["mapped", "pread"];

/// Times one pread of each open file's values: the least that reading without a mapping can cost.
fn bare(files: &Files) -> Duration {
    let open = |path| File::open(path).expect("a file");
    let open: Vec<File> = files.paths().into_iter().map(open).collect();
    let mut buffer = vec![0; 1 << 20];
    process::median(11, || {
        for file in &open {
            let read = file.read_at(&mut buffer, 0).expect("bytes");
            std::hint::black_box(&buffer[..read]);
        }
    })
}

/// Raises the limit of open files as far as possible, because the bare cost needs all files open.
fn raise_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is ours, and valid for reads and writes.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [one, content, number, snapshots, root] = &arguments[..]
        && one == process::RUN
    {
        let parse = |text: &String| text.parse::<u64>().expect("a number");
        let (number, snapshots) = (parse(number), parse(snapshots) as usize);
        return process::run(content, number, snapshots, Path::new(root));
    }
    raise_limit();
    let more = arguments.iter().filter_map(|word| word.parse().ok());
    let sizes = [10, 1_000, 10_000].into_iter().chain(more);
    let python = Python::find();

    let mut report = Report::new("read", "Reading");
    report.table(&[
        "files",
        "each",
        "way",
        "open",
        "first snapshot",
        "next, merged",
        "ns a value",
        "bare pread",
        "ratio",
        "next, per file too",
        "mmstats.py, started",
        "prometheus_client",
        "bytes read a value",
        "memory / files",
    ]);
    let measured: Vec<Size> = sizes
        .map(|number| measure(&mut report, Content::Counters, number, python.as_ref()))
        .collect();
    for number in [10, 1_000] {
        measure(&mut report, Content::WithTimers, number, None);
    }
    calls(&mut report);
    bounds(&mut report, &measured);
    if arguments.iter().any(|word| word == "--plot") {
        draw(&measured);
    }
    report.finish(true);
}

fn measure(report: &mut Report, content: Content, number: usize, python: Option<&Python>) -> Size {
    // Python reads no larger sizes, which would take minutes.
    let is_small = number <= 10_000;
    let python = python.filter(|_| is_small);
    let files = Files::write(content, number);
    let bare = bare(&files);
    let bytes = files.bytes();
    let python = python.map(|python| python.collect(number, content.values()));
    let reader = is_small.then(|| mmstats_py::read(&files)).flatten();
    let taken = [true, false].map(|mapped| process::read(&files, mapped));
    let values = (number * content.values()) as f64;
    for (way, taken) in WAYS.into_iter().zip(&taken) {
        report.row(&[
            number.to_string(),
            content.name().to_owned(),
            way.to_owned(),
            format!("{:.1?}", taken.open),
            format!("{:.1?}", taken.first),
            format!("{:.1?}", taken.next),
            format!("{:.1}", taken.next.as_nanos() as f64 / values),
            format!("{bare:.1?}"),
            format!("{:.2}", taken.next.as_secs_f64() / bare.as_secs_f64()),
            format!("{:.1?}", taken.per_file),
            reader.map_or("–".to_owned(), |time| format!("{time:.1?}")),
            python.map_or("–".to_owned(), |time| format!("{time:.1?}")),
            format!("{:.1}", taken.bytes as f64 / values),
            format!("{:.2}", (taken.own + taken.mapped) as f64 / bytes as f64),
        ]);
    }
    Size {
        files: number,
        bare,
        taken,
        python,
        reader,
        bytes,
    }
}

/// Counts system calls, for one size only because strace is slow.
fn calls(report: &mut Report) {
    const NUMBER: usize = 200;
    let files = Files::write(Content::Counters, NUMBER);
    report.say(&format!(
        "System calls of the next snapshot of {NUMBER} files, by strace, without the allocator's:"
    ));
    report.table(&["way", "a snapshot", "a file", "a value"]);
    for (way, mapped) in WAYS.into_iter().zip([true, false]) {
        let Some(calls) = process::system_calls(&files, mapped) else {
            eprintln!("SKIPPED: no strace to count system calls");
            let unknown = || "not known".to_owned();
            report.row(&[way.to_owned(), unknown(), unknown(), unknown()]);
            continue;
        };
        let files = NUMBER as f64;
        report.row(&[
            way.to_owned(),
            format!("{calls:.0}"),
            format!("{:.2}", calls / files),
            format!("{:.4}", calls / files / Content::Counters.values() as f64),
        ]);
    }
}

/// Reports the bounds on reading.
fn bounds(report: &mut Report, sizes: &[Size]) {
    let of = |files: usize| sizes.iter().find(|size| size.files == files);
    let (Some(small), Some(large)) = (of(1_000), of(10_000)) else {
        return;
    };
    if let Some(time) = small.reader {
        report.bound(
            "mmstats.py: 1,000 files of 100 counters within 1.5 s".to_owned(),
            format!("{time:.2?}"),
            time <= Duration::from_millis(1_500),
        );
    }
    for (index, way) in WAYS.into_iter().enumerate() {
        let (few, many) = (&small.taken[index], &large.taken[index]);
        let ratio = many.next.as_secs_f64() / large.bare.as_secs_f64();
        report.bound(
            format!("{way}: 10,000 files within 2.5 × bare pread"),
            format!("{ratio:.2}"),
            ratio <= 2.5,
        );
        let value = many.next.as_nanos() as f64 / 1e6;
        report.bound(
            format!("{way}: ≤ 40 ns a value"),
            format!("{value:.1} ns"),
            value <= 40.0,
        );
        let growth = many.next.as_secs_f64() / few.next.as_secs_f64();
        report.bound(
            format!("{way}: 10,000 files take ≤ 11 × what 1,000 take"),
            format!(
                "× {growth:.1} (bare pread: × {:.1})",
                large.bare.as_secs_f64() / small.bare.as_secs_f64()
            ),
            growth <= 11.0,
        );
        let memory = (many.own + many.mapped) as f64 / large.bytes as f64;
        report.bound(
            format!("{way}: memory ≤ 2 × the bytes of the files"),
            format!(
                "{memory:.2} ({:.2} of its own)",
                many.own as f64 / large.bytes as f64
            ),
            memory <= 2.0,
        );
    }
}

fn draw(sizes: &[Size]) {
    let curve = |name: &str, time: &dyn Fn(&Size) -> Option<Duration>| {
        let points = sizes
            .iter()
            .filter_map(|size| Some((size.files as f64, time(size)?.as_secs_f64() * 1e3)));
        (name.to_owned(), points.collect())
    };
    let curves = [
        curve("next snapshot, mapped", &|size| Some(size.taken[0].next)),
        curve("next snapshot, pread", &|size| Some(size.taken[1].next)),
        curve("first snapshot, mapped", &|size| Some(size.taken[0].first)),
        curve("bare pread", &|size| Some(size.bare)),
        curve("mmstats.py, started", &|size| size.reader),
        curve("prometheus_client, multiprocess", &|size| size.python),
    ];
    let title = "Reading files of 100 counters, all merged";
    plot::curves("reading.svg", title, &curves);
}
