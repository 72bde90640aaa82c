//! A row of the table: a step in a loop, and what limits it.

use super::setup::Setup;

/// What a row must keep to.
#[derive(Clone, Copy)]
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
    /// What the names of the rows that its bounds name end in.
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

    /// For what takes microseconds.
    pub fn slow(mut self) -> Row {
        self.operations = 200;
        self
    }
}

/// A row on one cell again and again, and its twin that takes [`MANY`](super::setup::MANY) in turns.
pub struct Twins {
    one: Row,
    turns: Row,
}

impl Twins {
    pub fn new(one: Row, mut turns: Row) -> Twins {
        turns.ending = &turns.name[one.name.len()..];
        Twins { one, turns }
    }

    /// What both must keep to: the one that takes turns beside the others that do.
    pub fn bound(mut self, bound: Bound) -> Twins {
        self.one.bounds.push(bound);
        self.turns.bounds.push(bound);
        self
    }

    /// What the row on one cell must keep to.
    pub fn bound_of_one(mut self, bound: Bound) -> Twins {
        self.one.bounds.push(bound);
        self
    }

    /// All rows on one cell, and after them all that take turns.
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

/// [`Twins`] whose step is an expression of one of many cells. Of ours the one cell is a field by itself,
/// as users have it: `(one, many)`.
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

/// Values over two decades, different at every step.
pub fn spread(i: u64) -> u64 {
    1_000 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 99_000
}
