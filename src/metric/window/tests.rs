//! Tests of windows by clocks that the tests move: a writer's and a reader's.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use proptest::prelude::*;

use super::kind::{KIND, check};
use super::*;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::note::Cause;
use crate::format::record::Instance;
use crate::format::schema::MetricSchema;
use crate::format::schema::Schema;
use crate::format::slot;
use crate::metric::context::{Contexts, CopiedContexts};
use crate::metric::counter::Counter;
use crate::metric::field::{Binder, Describe, Field, Options};
use crate::metric::kind::Raw;
use crate::metric::percentile::Percentile;
use crate::metric::storage::{Mark, PlacedSchema, Room, Storage};
use crate::metric::summary::Summary;
use crate::metric::summary::value::SummaryValue;
use crate::metric::value::{Value, WindowValue};
use crate::sync::{AtomicU64, Ordering};
use crate::sys::lifecycle::idle::Idle;
use crate::sys::lifecycle::ticker::{self, Tick};
use crate::sys::memory::words::{Word, Words};

const WINDOW: u64 = 12_000_000_000;
const STEP: u64 = WINDOW / COUNTED;
/// A time at which a step begins, less than a window after the machine was started.
const START: u64 = 3 * STEP;

/// A metric and its window in memory.
struct Written<M> {
    metric: M,
    schema: Schema,
    block: Words,
    storage: Rc<Memory>,
}

/// A file that has only octaves (owner, number and counts) and work to do by the clock.
#[derive(Default)]
struct Memory {
    octaves: RefCell<Vec<(u32, usize, Words)>>,
    work: RefCell<Option<Box<dyn Tick>>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Storage for Memory {
    fn end_when_idle(&self, _: u32, _: Idle, _: Box<[Words]>) {}

    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words> {
        let words = Words::leaked(len);
        self.octaves.borrow_mut().push((owner, octave, words));
        Some(words)
    }
    fn schema(&self, _: std::any::TypeId, _: &dyn Fn() -> Schema) -> Result<PlacedSchema, Error> {
        unreachable!()
    }
    fn instance(&self, _: PlacedSchema, _: Instance, _: Room) -> Result<(Words, u32), Error> {
        unreachable!()
    }
    fn generation(&self, _: u32) -> Word {
        unreachable!()
    }
    fn end_elsewhere(&self, _: &Instance, _: bool) -> bool {
        unreachable!()
    }
    fn removed(&self, _: u32, _: bool, _: Box<dyn Any>) -> Result<(), Box<dyn Any>> {
        unreachable!()
    }
    fn unused(&self, _: u32) {}
    fn begin(&self) -> Option<Mark> {
        unreachable!()
    }
    fn publish(&self) {}
    fn roll_back(&self, _: Mark) {}
    fn fail(&self, _: Error) {}
    fn failure(&self) -> Option<Error> {
        None
    }
    fn keep_aside(&self, _: PlacedSchema, _: &Instance) -> Result<(), Error> {
        unreachable!()
    }
    fn extent(&self, _: Extent, _: &[u64]) -> Option<Words> {
        unreachable!()
    }
    fn contexts(&self) -> &Contexts {
        unreachable!()
    }
    fn history_bytes(&self) -> &Cell<usize> {
        unreachable!()
    }
    fn error_bytes(&self) -> &Cell<usize> {
        unreachable!()
    }
    fn reset_at_thread_end(&self, _: Word) {}
    fn tick(&self, work: Box<dyn Tick>) {
        ticker::locked(|locked| work.tick(START, locked));
        *self.work.borrow_mut() = Some(work);
    }
    fn lent(&self) -> &Rc<Cell<bool>> {
        unreachable!("of groups only")
    }
    fn max_groups(&self) -> usize {
        0
    }
    fn report(&self, _: Cause, _: &dyn std::fmt::Display) {}
    fn path(&self) -> PathBuf {
        PathBuf::new()
    }
}

impl<M: Field> Written<M> {
    fn new(buffers: u16) -> Written<M> {
        let options = Options::NONE.window(WINDOW).buffers(buffers);
        let schema = Describe::model("m", "", "", |describe| M::describe(describe, "x", options));
        let block = Words::leaked(schema.block as usize / 8);
        let storage = Rc::new(Memory::default());
        let file: Rc<dyn Storage> = storage.clone();
        let mut binder = Binder::new(Some(&file), block, 0, "");
        Written {
            metric: M::bind(&mut binder, "x", options),
            schema,
            block,
            storage,
        }
    }

    /// Returns what a reader decodes as the window at a time.
    fn window(&self, now: u64) -> WindowValue {
        let schema = &self.schema.metrics[1];
        assert_eq!(schema.label, "x.Window");
        check(schema).unwrap();
        let load = |words: &[AtomicU64]| -> Vec<u64> {
            words.iter().map(|w| w.load(Ordering::Relaxed)).collect()
        };
        let place = &self.block[schema.offset as usize / 8..];
        let geometry = schema.geometry;
        let mut words = vec![0; geometry.words.into()];
        assert!(slot::try_read(
            &place[0],
            geometry.buffers.into(),
            |p| &place[1 + p as usize % usize::from(geometry.buffers) * words.len()..]
                [..geometry.words.into()],
            &mut words.clone(),
        ));
        let p = slot::published(place[0].load(Ordering::Relaxed)) as usize;
        let buffer = 1 + p % usize::from(geometry.buffers) * words.len();
        words = load(&place[buffer..][..words.len()]);
        words.extend(load(
            &place[geometry.slot_words()..][..geometry.plain.into()],
        ));
        let counts: Vec<(u32, Vec<u64>)> = (self.storage.octaves.borrow().iter())
            .filter(|(owner, ..)| *owner == schema.offset)
            .map(|(_, number, words)| (*number as u32, load(words)))
            .collect();
        let octaves: Vec<(u32, &[u64])> = counts.iter().map(|(n, c)| (*n, &c[..])).collect();
        // A counter's only word is that of its block.
        let of = load(&self.block[..1]);
        let raw = Raw {
            words: &words,
            extents: &octaves,
            contexts: &CopiedContexts::default(),
            current: true,
            retired: false,
            now: Some(now),
            of: &of,
        };
        match (KIND.decode)(schema, raw) {
            Value::Window(window) => {
                assert_eq!(window.seconds(), 12.0);
                *window
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Written<Summary> {
    fn summary(&self, now: u64) -> SummaryValue {
        *self.window(now).value.as_summary().unwrap()
    }
}

/// Returns the values of the steps that count at a time, from all events with their times.
fn counted(events: &[(u64, u64)], now: u64) -> Vec<u64> {
    let counts = |then: u64| {
        let age = (now / STEP).checked_sub(then / STEP);
        age.is_some_and(|age| age < COUNTED)
    };
    (events.iter().filter(|(then, _)| counts(*then)))
        .map(|(_, value)| *value)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The clock goes forward, in small steps and in large ones, and the window is read at every moment.
    #[test]
    fn a_window_has_what_was_recorded_within_it(
        events in prop::collection::vec((prop_oneof![0..STEP / 3, 0..3 * STEP, 0..3 * WINDOW], 0..100_000u64), 1..120),
        buffers in prop_oneof![Just(2u16), Just(8)],
        idle in prop_oneof![Just(0), 0..2 * WINDOW],
    ) {
        let (summary, sizes) = (Written::<Summary>::new(buffers), Written::<Percentile>::new(buffers));
        let mut now = START;
        let mut recorded = Vec::new();
        for (later, value) in events {
            now += later;
            recorded.push((now, value));
            summary.metric.record_in_window(value as f64, now, 0);
            sizes.metric.record_in_window(value, now);
            let expected = counted(&recorded, now);
            prop_assert_eq!(summary.summary(now).count(), expected.len() as u64);
        }
        now += idle;
        let mut expected = counted(&recorded, now);
        expected.sort_unstable();
        let (n, total) = (expected.len() as u64, expected.iter().sum::<u64>());
        let found = summary.summary(now);
        prop_assert_eq!((found.count(), found.total()), (n, total as f64));
        prop_assert_eq!(found.max(), expected.last().map(|max| *max as f64));
        let found = sizes.window(now).value;
        let found = found.as_distribution().unwrap();
        prop_assert_eq!((found.count(), found.bucket_count()), (n, n));
        prop_assert_eq!((found.total(), found.max()), (u128::from(total), expected.last().copied()));
        if let Some(median) = found.percentile(50.0) {
            let exact = expected[(expected.len() - 1) / 2];
            prop_assert!(median.abs_diff(exact) <= exact / 100, "{} of {}", median, exact);
        }
    }

    /// The monotonic clock does not go back; if it did, nothing would be counted twice or outside its time.
    #[test]
    fn a_clock_that_goes_anywhere_counts_nothing_twice(
        jumps in prop::collection::vec((-3 * WINDOW as i64..3 * WINDOW as i64, 1..100u64), 0..40),
    ) {
        let (summary, sizes) = (Written::<Summary>::new(2), Written::<Percentile>::new(2));
        let mut now = 200 * WINDOW;
        let mut recorded = Vec::new();
        for (jump, value) in jumps {
            now = now.saturating_add_signed(jump);
            summary.metric.record_in_window(value as f64, now, 0);
            sizes.metric.record_in_window(value, now);
            recorded.push((now, value));
            let most = counted(&recorded, now).len() as u64;
            let found = summary.summary(now).count();
            prop_assert!((1..=most).contains(&found), "{found} of {most}");
            let found = sizes.window(now).value;
            let found = found.as_distribution().unwrap();
            prop_assert_eq!(found.bucket_count(), found.count());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The count is read when a step begins, and at no other time.
    #[test]
    fn a_counter_s_window_has_what_was_counted_within_it(
        events in prop::collection::vec((prop_oneof![0..STEP / 3, 0..3 * STEP, 0..3 * WINDOW], 0..1_000u64), 1..120),
        idle in prop_oneof![Just(0), 0..2 * WINDOW],
    ) {
        let counter = Written::<Counter>::new(2);
        let work = counter.storage.work.borrow();
        let work = work.as_ref().unwrap();
        let (mut now, mut due) = (START, START + STEP);
        let mut recorded = Vec::new();
        let mut pass = |later: u64, n: u64| {
            now += later;
            while due <= now {
                due = ticker::locked(|locked| work.tick(due, locked));
            }
            counter.metric.add(n);
            recorded.push((now, n));
            let window = counter.window(now);
            let expected: u64 = counted(&recorded, now).iter().sum();
            prop_assert_eq!(&window.value, &Value::Counter(expected));
            // From the beginning of the first step that counts, or of the counter, and at least one step.
            let since = (now / STEP).saturating_sub(COUNTED - 1) * STEP;
            let reach = (now - since.max(START)).max(STEP);
            let rate = expected as f64 * 1e9 / reach as f64;
            prop_assert!((window.rate().unwrap() - rate).abs() <= 1e-9 * rate);
            Ok(())
        };
        for (later, n) in events {
            pass(later, n)?;
        }
        pass(idle, 0)?;
    }
}

#[test]
fn a_counter_that_nobody_looks_at_any_more_has_an_empty_window() {
    let counter = Written::<Counter>::new(2);
    counter.metric.add(7);
    // The process ends here.
    for (later, count) in [(0, 7), (11 * STEP, 7), (12 * STEP, 0), (100 * STEP, 0)] {
        let window = counter.window(START + later);
        assert_eq!(window.value, Value::Counter(count), "{later}");
    }
    // A late tick: what was counted since the last one counts up to the step of this one.
    let work = counter.storage.work.borrow();
    let now = START + 5 * STEP + STEP / 2;
    ticker::locked(|locked| work.as_ref().unwrap().tick(now, locked));
    counter.metric.add(1);
    for (later, count) in [
        (11 * STEP, 8),
        (12 * STEP, 8),
        (16 * STEP, 1),
        (17 * STEP, 0),
    ] {
        let window = counter.window(START + later);
        assert_eq!(window.value, Value::Counter(count), "{later}");
    }
}

#[test]
fn an_idle_window_empties_without_a_write() {
    let written = Written::<Summary>::new(2);
    assert_eq!(written.summary(START).count(), 0);
    written.metric.record_in_window(1.5, START + STEP / 2, 0);
    for (later, count) in [
        (0, 1),
        (11 * STEP + STEP / 2 - 1, 1),
        (11 * STEP + STEP / 2, 0),
    ] {
        assert_eq!(
            written.summary(START + STEP / 2 + later).count(),
            count,
            "{later}"
        );
    }
    assert_eq!(written.summary(u64::MAX).count(), 0);
    assert_eq!(
        written.summary(0).count(),
        0,
        "a reader whose clock is behind"
    );
}

/// A long window on a machine that was started less than a step ago.
#[test]
fn the_first_step_of_a_machine_s_clock_counts() {
    for now in [0, 1, STEP - 2, STEP - 1, STEP] {
        let (summary, sizes) = (Written::<Summary>::new(2), Written::<Percentile>::new(2));
        summary.metric.record_in_window(1.5, now, 0);
        sizes.metric.record_in_window(7, now);
        assert_eq!(summary.summary(now).count(), 1, "{now}");
        let found = sizes.window(now).value;
        assert_eq!(found.as_distribution().unwrap().count(), 1, "{now}");
    }
}

/// A step's counts are cleared before it counts again, and a reader that finds the old ones detects it.
#[test]
fn counts_that_are_not_the_step_s_are_left_out() {
    let written = Written::<Percentile>::new(2);
    for _ in 0..5 {
        written.metric.record_in_window(1000, START);
    }
    let counts = written.storage.octaves.borrow();
    let (_, number, words) = counts.last().unwrap();
    assert_eq!(number / 58, (START / STEP) as usize % STEPS, "of the step");
    let bucket = words.iter().position(|w| w.load(Ordering::Relaxed) == 5);
    words[bucket.unwrap()].store(3_000, Ordering::Relaxed);
    let found = written.window(START).value;
    let found = found.as_distribution().unwrap();
    assert_eq!((found.count(), found.max()), (5, Some(1000)));
    assert_eq!(found.percentile(50.0), None);
}

/// A file may contain anything: nothing in it causes a panic.
#[test]
fn hostile_windows_are_read_as_something() {
    let written = Written::<Percentile>::new(2);
    let schema = &written.schema.metrics[1];
    let words = STEPS * 9 + PLAIN + STEPS * 58;
    let counts = [u64::MAX; 128];
    let octaves: Vec<(u32, &[u64])> = (0..13 * 58).map(|n| (n, &counts[..])).collect();
    for filled in [0, 1, START, u64::MAX] {
        for now in [None, Some(0), Some(START), Some(u64::MAX)] {
            let raw = Raw {
                words: &vec![filled; words],
                extents: &octaves,
                contexts: &CopiedContexts::default(),
                current: true,
                retired: false,
                now,
                of: &[],
            };
            let value = (KIND.decode)(schema, raw);
            value.expose(|_, _| {});
        }
    }
    for parameter in [0, 7, 8 | 6 << 8, 16, u32::MAX] {
        let schema = MetricSchema {
            parameter,
            ..schema.clone()
        };
        assert!(check(&schema).is_err(), "{parameter}");
    }
}
