//! Errors with their contexts: counted by type, message and place.
//!
//! ```sh
//! cargo run --example error_log -- --stay &
//! mmstats errors
//! ```

use std::fs;
use std::num::ParseIntError;
use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{Counter, Errors, MmStats, OrRecord};

#[derive(MmStats)]
#[mmstats(name = "import")]
struct Import {
    rows: Counter,
    failed: Errors,
}

/// Returns the sum of the numbers in a table. A bad row is recorded and skipped.
fn import(import: &Import, table: &str) -> u64 {
    let mut sum = 0;
    for row in table.lines() {
        import.rows.inc();
        // Identified by its type, its message and this line of the source.
        let number: Result<u64, ParseIntError> = row.trim().parse();
        sum += number.or_record(&import.failed).unwrap_or(0);
    }
    sum
}

fn main() -> Result<(), mmstats::Error> {
    Import::local(|stats| {
        println!("sum: {}", import(stats, "1\n2\nthree\n4\n-5\nthree"));
        // A failure that is not an `Error` gets a name, and a context that says more.
        stats.failed.note("row-too-long", "table 7, row 12");
        if let Err(error) = fs::read("/no/such/table") {
            stats.failed.record(&error);
        }
    });
    let snapshot = Reader::from_env()?.snapshot()?;
    if let Some(errors) = snapshot
        .get("import", "failed")
        .and_then(|value| value.as_errors())
    {
        for error in errors.distinct() {
            println!("{} × {}: {}", error.count(), error.name(), error.message());
        }
    }
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
