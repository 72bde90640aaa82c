//! A program whose crates report through the facade `metrics`. `cargo run --example facade --features metrics`
//!
//! With `-- --stay` it stays for a minute; then, in another terminal, `mmstats show` shows the same.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;

/// As a crate that knows nothing of mmstats has it.
mod third_party {
    use metrics::{Unit, counter, describe_histogram, gauge, histogram};

    pub fn describe() {
        describe_histogram!("db.query_time", Unit::Seconds, "How long queries take.");
    }

    pub fn query(table: &'static str, n: u32) {
        gauge!("db.open").increment(1.0);
        counter!("db.queries", "table" => table).increment(1);
        histogram!("db.query_time", "table" => table).record(f64::from(n) / 1e6);
        gauge!("db.open").decrement(1.0);
    }
}

fn main() -> Result<(), mmstats::Error> {
    mmstats::recorder::install()?;
    third_party::describe();
    thread::scope(|scope| {
        for table in ["users", "orders"] {
            scope.spawn(move || (1..=1000).for_each(|n| third_party::query(table, n)));
        }
    });
    for (model, label, value) in Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    // To look at it with the binary.
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
