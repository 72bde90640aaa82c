//! The cost of a write, beside plain memory and the peers, in one run.
//!
//! `cargo bench --bench write` prints a table: nanoseconds per operation (the median and the least of
//! interleaved rounds, so that disturbances affect all rows), instructions per operation (counted by callgrind
//! where valgrind is installed), and the bounds of each row. `-- NAME…` runs the rows whose names contain one of
//! the names; `-- --quick` counts no instructions. For the figures with LTO:
//! `cargo bench --profile lto --bench write`.

mod callgrind;
mod cores;
#[path = "../directory.rs"]
mod directory;
mod fields;
mod peers;
#[path = "../report.rs"]
mod report;
mod row;
mod rows;
mod setup;

use std::time::Instant;

use directory::Directory;
use report::Report;
use row::{Bound, Row};
use setup::Setup;

const ROUNDS: usize = 41;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let root = Directory::new("write");
    // SAFETY: no other thread has been started yet.
    unsafe { std::env::set_var("MMSTATS_PATH", root.path()) };
    if let [one, name, n] = &arguments[..]
        && one == callgrind::RUN
    {
        let row = rows::all().into_iter().find(|row| row.name == name);
        let mut setup = Setup::new(root.path());
        let steps = n.parse().expect("a number");
        return callgrind::run(&row.expect("a row's name"), &mut setup, steps);
    }
    let quick = arguments.iter().any(|word| word == "--quick");
    let named: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let rows: Vec<Row> = rows::all()
        .into_iter()
        .filter(|row| named.is_empty() || named.iter().any(|word| row.name.contains(*word)))
        .collect();

    let mut setup = Setup::new(root.path());
    let times = time(&rows, &mut setup);
    let mut report = Report::new("write", "Writing");
    report.table(&["operation", "median ns", "least ns", "instructions"]);
    for (row, times) in rows.iter().zip(&times) {
        let counted = if quick { None } else { callgrind::count(row) };
        report.row(&[
            row.name.to_owned(),
            format!("{:.2}", median(times)),
            format!("{:.2}", times.iter().copied().fold(f64::INFINITY, f64::min)),
            counted.map_or("–".to_owned(), |n| format!("{n:.0}")),
        ]);
    }
    if named.is_empty() {
        cores::measure(&mut report, &setup.peers, &setup.recorder);
    }
    for (index, row) in rows.iter().enumerate() {
        for bound in &row.bounds {
            judge(&mut report, &rows, &times, index, bound);
        }
    }
    report.finish(named.is_empty());
}

/// Returns the nanoseconds per operation of each row, round by round.
fn time(rows: &[Row], setup: &mut Setup) -> Vec<Vec<f64>> {
    let mut times: Vec<Vec<f64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (row, times) in rows.iter().zip(&mut times) {
            let steps = row.operations / row.per_step;
            let start = Instant::now();
            (row.run)(setup, steps);
            times.push(start.elapsed().as_nanos() as f64 / (steps * row.per_step) as f64);
        }
    }
    times
}

/// Compares a row with others round by round: what disturbs both does not change the ratio.
fn judge(report: &mut Report, rows: &[Row], times: &[Vec<f64>], index: usize, bound: &Bound) {
    let name_of = |name: &str| format!("{name}{}", rows[index].ending);
    let of = |name: &str| {
        let other = rows.iter().position(|row| row.name == name_of(name))?;
        Some(&times[other])
    };
    // A bound that refers to a row that was not asked for does not apply.
    let all = |names: &[&str]| {
        names
            .iter()
            .map(|name| of(name))
            .collect::<Option<Vec<_>>>()
    };
    let listed = |names: &[&str], between: &str| {
        let names: Vec<String> = names.iter().map(|name| name_of(name)).collect();
        names.join(between)
    };
    let each = |what: &dyn Fn(usize, f64) -> f64| {
        let rounds = times[index].iter().enumerate();
        median(
            &rounds
                .map(|(round, own)| what(round, *own))
                .collect::<Vec<_>>(),
        )
    };
    let name = rows[index].name;
    let (wanted, found, kept) = match *bound {
        Bound::Most(most) => {
            let own = median(&times[index]);
            (format!("≤ {most} ns"), format!("{own:.2} ns"), own <= most)
        }
        Bound::Times(most, names) => {
            let Some(others) = all(names) else { return };
            let ratio = each(&|round, own| own / others.iter().map(|t| t[round]).sum::<f64>());
            let wanted = format!("≤ {most} × ({})", listed(names, " + "));
            (wanted, format!("{ratio:.2}"), ratio <= most)
        }
        Bound::Beyond(most, clock) => {
            let Some(other) = of(clock) else { return };
            let beyond = each(&|round, own| own - other[round]);
            let wanted = format!("≤ {} + {most} ns", name_of(clock));
            (wanted, format!("+ {beyond:.2} ns"), beyond <= most)
        }
        Bound::Faster(least, names) => {
            let Some(others) = all(names) else { return };
            let ratios: Vec<f64> = others
                .iter()
                .map(|other| each(&|round, own| other[round] / own))
                .collect();
            let ratio = ratios.into_iter().fold(f64::INFINITY, f64::min);
            let wanted = format!("≥ {least} × faster than {}", listed(names, ", "));
            (wanted, format!("× {ratio:.1}"), ratio >= least)
        }
    };
    report.bound(format!("{name} {wanted}"), found, kept);
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
