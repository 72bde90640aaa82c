//! Numbers, by which a thread finds its cell of a shared metric.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendList;

/// The number of a metric whose cells are `C`. It is given once, to one kind of cell.
#[derive(Debug)]
pub struct Number<C>(u32, PhantomData<fn() -> C>);

// Not derived, because the derive would require `C: Copy`.
impl<C> Clone for Number<C> {
    fn clone(&self) -> Number<C> {
        *self
    }
}
impl<C> Copy for Number<C> {}

/// The upper bound on numbers: a thread's table has a word for each. A program that exceeds it is making metrics
/// without end.
const MOST: u32 = 1 << 20;

impl<C> Number<C> {
    /// The number of no metric: no table has a cell there.
    pub const NONE: Number<C> = Number(0, PhantomData);

    /// Returns the index of its cell in a table.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns whether it is [`NONE`](Self::NONE).
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns a new number, or [`NONE`](Self::NONE), with a report about `model`, if there are too many.
    pub fn new(model: &str) -> Number<C> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // Relaxed: it only matters that each is given once. At the upper bound it stays there.
        let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < MOST).then_some(next + 1)
        });
        match next {
            Ok(number) => Number(number, PhantomData),
            Err(_) => {
                let text = format_args!(
                    "there are {MOST} shared metrics in this process; more are not recorded"
                );
                report::later(model, "shared", &text);
                Number::NONE
            }
        }
    }
}

/// A place for a number that is given at first use.
#[derive(Debug)]
pub struct Lazy<C>(AtomicU32, PhantomData<fn() -> C>);

impl<C: 'static> Lazy<C> {
    /// Without a number.
    pub const fn new() -> Lazy<C> {
        Lazy(AtomicU32::new(0), PhantomData)
    }

    /// Returns the number; [`Number::NONE`] if it has none yet.
    #[inline(always)]
    pub fn get(&self) -> Number<C> {
        // Relaxed: nothing is read that was written before the number was stored. A thread that has a cell of this
        // number made the cell itself, or took it over through the list of orphans.
        Number(self.0.load(Ordering::Relaxed), PhantomData)
    }

    /// Returns the number of the metric with this identity, which is given if it is new. Statics with the same
    /// identity have the same number.
    pub fn get_or_give(&self, identity: StaticIdentity) -> Number<C> {
        static GIVEN: AppendList<Given> = AppendList::new();
        let known = self.get();
        if known.index() > 0 {
            return known;
        }
        let cells = TypeId::of::<C>();
        let same = |given: &&Given| given.cells == cells && given.identity.is_same(&identity);
        let number = loop {
            if let Some(given) = GIVEN.iter().find(same) {
                break given.number;
            }
            let number = Number::<C>::new(identity.model).0;
            if number == 0 {
                break 0;
            }
            let given = Given {
                cells,
                identity,
                number,
            };
            // If it is not added, another thread was faster, and this number stays unused.
            GIVEN.push_unless(given, |a, b| {
                a.cells == b.cells && a.identity.is_same(&b.identity)
            });
        };
        self.0.store(number, Ordering::Relaxed);
        Number(number, PhantomData)
    }
}

/// A number that a static has.
struct Given {
    cells: TypeId,
    identity: StaticIdentity,
    number: u32,
}

/// What identifies the metric of a static.
#[derive(Clone, Copy, Debug)]
pub struct StaticIdentity {
    /// The model.
    pub model: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// Its labels, in any order.
    pub labels: &'static [(&'static str, &'static str)],
}

impl StaticIdentity {
    /// Returns whether it is the same metric.
    pub fn is_same(&self, other: &StaticIdentity) -> bool {
        // There is a handful of labels, and no key occurs twice (otherwise the metric is refused).
        self.model == other.model
            && self.metric == other.metric
            && self.labels.len() == other.labels.len()
            && (self.labels.iter()).all(|pair| other.labels.contains(pair))
    }
}
