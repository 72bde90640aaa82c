//! A row of the table: a step in a loop, and its bounds.

use super::setup::Setup;

/// A bound on the time of a row.
#[derive(Clone, Copy)]
pub enum Bound {
    /// At most this many nanoseconds.
    Most(f64),
    /// At most this many times the sum of these rows.
    Times(f64, &'static [&'static str]),
    /// At most this many nanoseconds more than another row.
    Beyond(f64, &'static str),
    /// The fastest of these rows takes at least this many times as long.
    Faster(f64, &'static [&'static str]),
}

pub struct Row {
    pub name: &'static str,
    pub bounds: Vec<Bound>,
    /// The suffix of the rows that its bounds refer to.
    pub ending: &'static str,
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
            ending: "",
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

    /// Runs fewer operations, for rows that take microseconds.
    pub fn slow(mut self) -> Row {
        self.operations = 200;
        self
    }
}

/// A row that writes one cell repeatedly, and its twin that writes [`MANY`](super::setup::MANY) in turn.
pub struct Twins {
    one: Row,
    turns: Row,
}

impl Twins {
    pub fn new(one: Row, mut turns: Row) -> Twins {
        turns.ending = &turns.name[one.name.len()..];
        Twins { one, turns }
    }

    /// Adds a bound to both rows. The one that takes turns is compared with others that take turns.
    pub fn bound(mut self, bound: Bound) -> Twins {
        self.one.bounds.push(bound);
        self.turns.bounds.push(bound);
        self
    }

    /// Adds a bound to the row on one cell.
    pub fn bound_of_one(mut self, bound: Bound) -> Twins {
        self.one.bounds.push(bound);
        self
    }

    /// Returns all rows on one cell, followed by all that take turns.
    pub fn rows(twins: impl IntoIterator<Item = Twins>) -> Vec<Row> {
        let (mut rows, turns): (Vec<Row>, Vec<Row>) = twins
            .into_iter()
            .map(|twins| (twins.one, twins.turns))
            .unzip();
        rows.extend(turns);
        rows
    }
}

/// A row whose step is an expression of the setup and the number of the step.
macro_rules! row {
    ($name:expr, |$setup:ident, $i:ident| $step:expr) => {
        $crate::row::Row::new($name, |$setup, n| {
            for $i in 0..n {
                $step;
            }
        })
    };
}
pub(crate) use row;

/// [`Twins`] whose step is an expression of one of many cells. For our metrics, the one cell is a field by itself,
/// as in the models of users: `(one, many)`.
macro_rules! twins {
    ($name:literal, |$setup:ident, $i:ident| ($one:expr, $many:expr), |$cell:ident| $step:expr) => {
        $crate::row::twins!(
            @ $name, |$setup, $i, $cell| $step,
            &$one, &$many[$i as usize % $crate::setup::MANY]
        )
    };
    ($name:literal, |$setup:ident, $i:ident| $many:expr, |$cell:ident| $step:expr) => {
        $crate::row::twins!(
            @ $name, |$setup, $i, $cell| $step,
            &mut $many[0], &mut $many[$i as usize % $crate::setup::MANY]
        )
    };
    (
        @ $name:literal, |$setup:ident, $i:ident, $cell:ident| $step:expr,
        $one:expr, $turn:expr
    ) => {
        $crate::row::Twins::new(
            $crate::row::row!($name, |$setup, $i| {
                let $cell = $one;
                $step
            }),
            $crate::row::row!(concat!($name, ", 16"), |$setup, $i| {
                let $cell = $turn;
                $step
            }),
        )
    };
}
pub(crate) use twins;

/// Returns values over two decades, different at every step.
pub fn spread(i: u64) -> u64 {
    1_000 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 99_000
}
