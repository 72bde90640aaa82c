//! A row of the table: a step in a loop, and what limits it.

use super::setup::Setup;

/// What a row must keep to.
pub enum Bound {
    /// Nanoseconds.
    Most(f64),
    /// So many times the sum of these rows.
    Times(f64, &'static [&'static str]),
    /// So many nanoseconds beyond another row.
    Beyond(f64, &'static str),
    /// The fastest of these rows takes so many times as long.
    Faster(f64, &'static [&'static str]),
}

pub struct Row {
    pub name: &'static str,
    pub bounds: Vec<Bound>,
    /// Operations in a step.
    pub per_step: u64,
    /// Operations in a round.
    pub operations: u64,
    pub run: fn(&mut Setup, u64),
}

impl Row {
    pub fn new(name: &'static str, run: fn(&mut Setup, u64)) -> Row {
        Row {
            name,
            bounds: Vec::new(),
            per_step: 1,
            operations: 200_000,
            run,
        }
    }

    pub fn bound(mut self, bound: Bound) -> Row {
        self.bounds.push(bound);
        self
    }

    pub fn per_step(mut self, operations: u64) -> Row {
        self.per_step = operations;
        self
    }

    /// For what takes microseconds.
    pub fn slow(mut self) -> Row {
        self.operations = 200;
        self
    }
}

/// A row whose step is an expression of the setup and the number of the step.
macro_rules! row {
    ($name:literal, |$setup:ident, $i:ident| $step:expr) => {
        $crate::row::Row::new($name, |$setup, n| {
            for $i in 0..n {
                $step;
            }
        })
    };
}
pub(crate) use row;

/// Values over two decades, different at every step.
pub fn spread(i: u64) -> u64 {
    1_000 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 99_000
}
