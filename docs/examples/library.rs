//! A library with statistics of its own, inside an application that has others.
//!
//! ```sh
//! cargo run --example library
//! ```
//!
//! The library needs nothing from the application: its model has a directory of its own below the root that the
//! application's environment names. Neither knows the other's metrics, and each can be read alone:
//! `mmstats show -l 'users.*'`.

use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{Counter, MmStats};

/// Stands for a crate of its own: a toolkit for databases.
mod sql {
    use mmstats::{Counter, Groups, MmStats, Percentile, Timer};

    /// What a library counts is a part of its documentation. So it is private as code, and public as names.
    #[derive(MmStats)]
    #[mmstats(name = "sql")]
    struct Sql {
        connections: Counter,
        #[mmstats(group_label = "table")]
        tables: Groups<Table>,
    }

    #[derive(MmStats)]
    struct Table {
        selects: Counter,
        select_time: Timer,
        /// Rows that a select returned.
        #[mmstats(unit = "rows")]
        selected: Percentile,
    }

    pub struct Connection;

    impl Connection {
        pub fn open() -> Connection {
            Sql::local(|stats| stats.connections.inc());
            Connection
        }

        /// Returns the rows whose number is below a bound.
        pub fn select(&self, table: &str, below: u64) -> Vec<u64> {
            Sql::local(|stats| {
                let stats = stats.tables.group(table);
                let rows: Vec<u64> = stats.select_time.time(|| (0..below).collect());
                stats.selects.inc();
                stats.selected.record(rows.len() as u64);
                rows
            })
        }
    }
}

/// What the application counts.
#[derive(MmStats)]
#[mmstats(name = "shop")]
struct Shop {
    orders: Counter,
}

fn order(connection: &sql::Connection, user: u64) {
    connection.select("users", user);
    connection.select("articles", 10 * user);
    Shop::local(|shop| shop.orders.inc());
}

fn main() -> Result<(), mmstats::Error> {
    let workers: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                let connection = sql::Connection::open();
                (1..=10).for_each(|user| order(&connection, user));
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("the worker ends well");
    }
    for (model, label, value) in Reader::from_env()?.snapshot()?.iter() {
        println!("{model}: {label} = {value}");
    }
    if std::env::args().any(|argument| argument == "--stay") {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}
