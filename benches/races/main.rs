//! Two processes over one file: does a reader ever see half of a value, and what does either of them pay?
//!
//! A writer races a reader, for each protocol and each pace of writing. `cargo bench --bench races` takes two to
//! three minutes; `-- --long` takes ten times as long, to make at least 10⁹ reads of our protocols. `-- NAME…` races
//! the protocols whose names contain one of the names; `-- --plot` draws the pictures in docs/.

#[path = "../directory.rs"]
mod directory;
mod face;
mod plot;
mod protocols;
#[path = "../report.rs"]
mod report;
mod slowing;
mod tally;
mod value;
mod writer;

use std::path::Path;
use std::time::Duration;

use directory::Directory;
use protocols::{Memory, Protocol};
use report::Report;
use tally::Tally;
use writer::{PACES, Pace, Writer};

/// Whose protocol it is, and what is expected of it.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// May tear.
    Others,
    /// Must be exact.
    Ours,
    /// Ours, made wrong on purpose.
    Wrong,
}

struct Case {
    name: &'static str,
    whose: Whose,
    /// Whether it is read through a mapping.
    mapped: bool,
    /// How many times as long as the others it runs.
    longer: u32,
    write: fn(&Path, Pace),
    read: fn(&Path, Duration) -> Tally,
}

fn bare<P: Protocol>(name: &'static str, whose: Whose, mapped: bool) -> Case {
    Case {
        name,
        whose,
        mapped,
        // The fastest of ours make most of the reads that a whole run needs.
        longer: if whose == Whose::Ours && mapped { 2 } else { 1 },
        write: |root, pace| {
            let mut protocol = P::open(Memory::open(root));
            writer::write(root, pace, |n| protocol.publish(n));
        },
        read: |root, time| {
            let mut protocol = P::open(Memory::open(root));
            Tally::run(time, || protocol.attempt())
        },
    }
}

fn face(
    name: &'static str,
    mapped: bool,
    write: fn(&Path, Pace),
    read: fn(&Path, Duration) -> Tally,
) -> Case {
    let whose = Whose::Ours;
    Case {
        name,
        whose,
        mapped,
        longer: 1,
        write,
        read,
    }
}

fn cases() -> Vec<Case> {
    use Whose::{Others, Ours, Wrong};
    use face::*;
    use protocols::*;
    vec![
        bare::<Aligned>("v1, 64 bytes on lines", Others, true),
        bare::<Packed>("v1, 64 bytes packed", Others, true),
        bare::<Integer>("v1, integer aligned", Others, true),
        bare::<Straddling>("v1, integer straddling a line", Others, true),
        bare::<Unvalidated>("sequence, not validated", Others, true),
        bare::<SeqLock>("seqlock of one buffer", Others, true),
        bare::<Mapped<2>>("slot of 2, mapped", Ours, true),
        bare::<Mapped<4>>("slot of 4, mapped", Ours, true),
        bare::<Mapped<16>>("slot of 16, mapped", Ours, true),
        bare::<ThreePhases<2>>("slot of 2, pread in three phases", Ours, false),
        bare::<ThreePhases<4>>("slot of 4, pread in three phases", Ours, false),
        bare::<ThreePhases<16>>("slot of 16, pread in three phases", Ours, false),
        bare::<TwoPhases<2>>("slot of 2, pread in two phases (wrong)", Wrong, false),
        bare::<TwoPhases<16>>("slot of 16, pread in two phases (wrong)", Wrong, false),
        face("Counter, mapped", true, write_counter, read_counter),
        face("Counter, pread", false, write_counter, read_counter),
        face("Compound, mapped", true, write_compound, read_compound),
        face("Compound, pread", false, write_compound, read_compound),
        face("Timer, mapped", true, write_timer, read_timer),
        face("Timer, pread", false, write_timer, read_timer),
        face("200 Compounds, mapped", true, write_many, read_many),
        face("200 Compounds, pread", false, write_many, read_many),
    ]
}

/// Creates a directory for the files of one race.
fn root(mapped: bool) -> Directory {
    let root = Directory::new("races");
    Memory::make(root.path());
    face::prepare(root.path(), mapped);
    root
}

/// The result of one race.
struct Race {
    case: usize,
    pace: Pace,
    cost: f64,
    tally: Tally,
}

fn race(cases: &[Case], case: usize, pace: Pace, time: Duration) -> Race {
    let it = &cases[case];
    let root = root(it.mapped);
    let writer = Writer::start(it.name, pace, root.path());
    let tally = (it.read)(root.path(), time * it.longer);
    assert!(
        writer.written() > 0,
        "the writer of {} did nothing",
        it.name
    );
    let cost = writer.stop();
    Race {
        case,
        pace,
        cost,
        tally,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let cases = cases();
    if let [one, name, pace] = &arguments[..]
        && one == "--writer"
    {
        let root = std::env::var_os("MMSTATS_PATH").expect("a root");
        let case = cases.iter().find(|case| case.name == name).expect("a case");
        let pace = PACES[pace.parse::<usize>().expect("a number")];
        return (case.write)(Path::new(&root), pace);
    }
    let long = arguments.iter().any(|word| word == "--long");
    let time = Duration::from_millis(if long { 15_000 } else { 1_500 });
    let named: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let wanted =
        |case: &Case| named.is_empty() || named.iter().any(|name| case.name.contains(*name));

    let mut report = Report::new("races", "Races");
    report.say("A writer and a reader, two processes over one file, on values of 64 bytes.");
    let mut races = Vec::new();
    for pace in PACES {
        report.say(&format!("At {}:", pace.name()));
        report.table(&[
            "protocol",
            "writer, ns",
            "reads/s",
            "torn per million",
            "backwards per million",
            "rejected %",
            "longest run",
            "not had %",
        ]);
        for case in (0..cases.len()).filter(|case| wanted(&cases[*case])) {
            let race = race(&cases, case, pace, time);
            row(&mut report, cases[case].name, &race);
            races.push(race);
        }
    }
    let sound = verdict(&mut report, &cases, &races, named.is_empty());
    if named.is_empty() {
        slowing::measure(&mut report, &cases, time / 10);
        if arguments.iter().any(|word| word == "--plot") {
            draw(&cases, &races);
        }
    }
    report.finish(named.is_empty());
    assert!(sound, "a reader of ours was given what was never written");
}

fn row(report: &mut Report, name: &str, race: &Race) {
    let tally = &race.tally;
    report.row(&[
        name.to_owned(),
        format!("{:.1}", race.cost),
        count(tally.reads as f64 / tally.elapsed.as_secs_f64()),
        count(tally.per_million(tally.torn)),
        count(tally.per_million(tally.backwards)),
        format!("{:.2}", tally.rejected_percent()),
        tally.longest.map_or("–".to_owned(), |run| run.to_string()),
        format!("{:.3}", tally.missed_percent()),
    ]);
}

/// Formats a number with as many digits as are significant.
fn count(n: f64) -> String {
    match n {
        0.0 => "0".to_owned(),
        n if n < 1.0 => format!("{n:.3}"),
        n if n < 100.0 => format!("{n:.1}"),
        n if n < 1e6 => format!("{n:.0}"),
        n => format!("{:.1} M", n / 1e6),
    }
}

/// The reads of our protocols that a whole run must make.
const READS: u64 = 1_000_000_000;

/// Reports the bounds. Returns whether our protocols returned whole values only, and none backwards.
fn verdict(report: &mut Report, cases: &[Case], races: &[Race], whole: bool) -> bool {
    let of = |whose| {
        races
            .iter()
            .filter(move |race| cases[race.case].whose == whose)
    };
    let sum = |whose, what: fn(&Tally) -> u64| of(whose).map(|race| what(&race.tally)).sum::<u64>();
    let (reads, torn, backwards) = (
        sum(Whose::Ours, |tally| tally.reads),
        sum(Whose::Ours, |tally| tally.torn),
        sum(Whose::Ours, |tally| tally.backwards),
    );
    report.bound(
        "ours: nothing torn, nothing backwards",
        format!(
            "{torn} torn, {backwards} backwards in {} reads",
            count(reads as f64)
        ),
        torn == 0 && backwards == 0,
    );
    if whole {
        report.bound("ours: in ≥ 10⁹ reads", count(reads as f64), reads >= READS);
    }
    for (whose, name) in [(Whose::Others, "others"), (Whose::Wrong, "two phases")] {
        if of(whose).next().is_none() {
            continue;
        }
        let torn = sum(whose, |tally| tally.torn + tally.backwards);
        let said = format!("{torn} torn or backwards");
        let provoked = if torn > 0 {
            ""
        } else {
            ": could not be provoked here"
        };
        report.bound(
            format!("{name}: shown to be wrong"),
            said + provoked,
            torn > 0,
        );
    }
    let worst = |wanted: &dyn Fn(&Race) -> bool| {
        of(Whose::Ours)
            .filter(|race| wanted(race))
            .map(|race| race.tally.missed_percent())
            .fold(0.0, f64::max)
    };
    let slow = worst(&|race| race.pace != Pace::FullSpeed);
    let fast = worst(&|race| race.pace == Pace::FullSpeed && cases[race.case].mapped);
    for (what, missed) in [
        ("at 1 write/µs and less, both ways", slow),
        ("at full speed, mapped", fast),
    ] {
        report.bound(
            format!("had within {} tries: ≥ 99.99 % {what}", tally::BOUND),
            format!("{:.4} % in the worst race", 100.0 - missed),
            missed <= 0.01,
        );
    }
    torn == 0 && backwards == 0
}

/// Draws the races as bars.
fn draw(cases: &[Case], races: &[Race]) {
    for (pace, file) in PACES.into_iter().zip(["full-speed", "microsecond", "slow"]) {
        let bars: Vec<(&str, f64)> = races
            .iter()
            .filter(|race| race.pace == pace)
            .map(|race| {
                let tally = &race.tally;
                (
                    cases[race.case].name,
                    tally.per_million(tally.torn + tally.backwards),
                )
            })
            .collect();
        let title = format!("Torn or backwards per million reads, at {}", pace.name());
        plot::bars(&format!("races-{file}.svg"), &title, &bars);
    }
}
