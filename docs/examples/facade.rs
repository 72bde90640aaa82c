//! A program whose crates report through the facade `metrics`. `cargo run --example facade --features metrics`
//!
//! With `-- --stay` it runs for a minute; meanwhile `mmstats show` in another terminal shows the same.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;

/// Stands for a crate that knows nothing of mmstats.
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
    // Time to look at the metrics with `mmstats`.
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
