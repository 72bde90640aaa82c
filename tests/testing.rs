//! `mmstats::testing`, used as in the unit tests of a user.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use mmstats::testing::{self, Clock, assert_value};
use mmstats::{
    Counter, Errors, Flag, Gauge, Groups, History, MmStats, Percentile, Stats, Stopwatch, Summary,
    Text, Timer, UpDown,
};

#[path = "writer/child.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod child;
#[path = "testing/root.rs"]
mod root;

const SECOND: Duration = Duration::from_secs(1);

#[derive(MmStats)]
#[mmstats(name = "shop")]
struct Shop {
    #[mmstats(window = "60s")]
    sales: Counter,
    carts: UpDown,
    load: Gauge<f64>,
    open: Flag,
    state: Text<32>,
    #[mmstats(window = "60s")]
    sale_time: Timer,
    #[mmstats(window = "60s")]
    prices: Summary,
    #[mmstats(window = "60s")]
    sizes: Percentile,
    times: History,
    errors: Errors,
    #[mmstats(group_label = "shelf", idle = "60s")]
    shelves: Groups<Shelf>,
}

#[derive(MmStats)]
struct Shelf {
    items: Counter,
}

impl Shop {
    fn sell(&self, price: f64) {
        self.sales.inc();
        self.prices.record(price);
        self.sizes.record(price as u64);
    }
}

fn window_counts(shop: &Stats<Shop>) -> [u64; 3] {
    let snapshot = testing::snapshot(shop);
    ["sales", "prices", "sizes"].map(|label| {
        let label = format!("{label}.WindowCount");
        snapshot
            .get("shop", &label)
            .and_then(|value| value.as_u64())
            .unwrap()
    })
}

/// Returns the message of an assertion that panics.
fn failure(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("the assertion held");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
    }
}

#[test]
fn a_timer_measures_exactly_what_the_clock_was_advanced_by() {
    let clock = Clock::mock();
    let shop = testing::model::<Shop>();
    let running = shop.sale_time.start();
    let watch = Stopwatch::start();
    clock.advance(3 * SECOND);
    assert_eq!(running.stop(), 3 * SECOND);
    clock.advance(Duration::from_nanos(7));
    assert_eq!(watch.elapsed(), 3 * SECOND + Duration::from_nanos(7));
    assert_value(&testing::snapshot(&shop), "sale_time.Max", 3.0);
}

#[test]
fn windows_forget_when_the_clock_is_advanced() {
    let clock = Clock::mock();
    let shop = testing::model::<Shop>();
    assert_eq!(window_counts(&shop), [0; 3]);
    shop.sell(20.0);
    assert_eq!(window_counts(&shop), [1; 3]);
    clock.advance(30 * SECOND);
    shop.sell(10.0);
    assert_eq!(window_counts(&shop), [2; 3]);
    clock.advance(35 * SECOND);
    assert_eq!(
        window_counts(&shop),
        [1; 3],
        "the first is more than a minute old"
    );
    // Years are skipped in one step, not step by step.
    clock.advance(1_000_000_000 * SECOND);
    assert_eq!(window_counts(&shop), [0; 3]);
    shop.sell(5.0);
    assert_eq!(window_counts(&shop), [1; 3]);
    assert_value(&testing::snapshot(&shop), "sales", 3);
}

#[test]
fn stamps_are_of_the_mock_clock() {
    let clock = Clock::mock();
    let shop = testing::model::<Shop>();
    let stamp = || {
        let snapshot = testing::snapshot(&shop);
        snapshot.history("shop", "times").unwrap().entries()[0].time_ns()
    };
    shop.times.push(1.0);
    let first = stamp();
    clock.advance(3600 * SECOND);
    shop.times.push(2.0);
    assert_eq!(stamp(), first + 3600 * 1_000_000_000);
}

#[test]
fn a_clock_is_of_its_thread_and_ends_with_its_guard() {
    let clock = Clock::mock();
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = Clock::mock();
            other.advance(SECOND);
        });
    });
    assert_eq!(watch.elapsed(), Duration::ZERO);
    let twice = failure(|| drop(Clock::mock()));
    assert!(twice.contains("mocked already"), "{twice}");
    drop(clock);
    // Time passes again: a fast clock shows another time after a few readings.
    let watch = Stopwatch::start();
    while watch.elapsed().is_zero() {}
    Clock::mock().advance(SECOND);
}

#[test]
fn a_snapshot_has_every_value_of_private_memory() {
    let shop = testing::model::<Shop>();
    assert_eq!(shop.path(), None);
    shop.carts.add(-3);
    shop.load.set(0.5);
    shop.open.set(true);
    shop.state.set("open for all");
    shop.errors.note("no change", "");
    shop.shelves.group("books").items.add(4);
    let snapshot = testing::snapshot(&shop);
    assert_value(&snapshot, "carts", -3);
    assert_value(&snapshot, "load", 0.5);
    assert_value(&snapshot, "open", true);
    assert_value(&snapshot, "state", "open for all");
    assert_value(&snapshot, "errors__all", 1);
    let model = snapshot.model("shop").unwrap();
    let series = model
        .series()
        .iter()
        .find(|series| series.metric() == "items");
    let series = series.unwrap();
    assert_eq!(series.label_value("shelf"), Some("books"));
    assert_value(&snapshot, series.label(), 4);
}

/// Groups of several threads end together, and these threads have clocks of their own.
#[test]
fn idle_groups_keep_the_system_s_clock() {
    let root = std::env::temp_dir().join(format!("mmstats-testing-idle-{}", std::process::id()));
    let clock = Clock::mock();
    clock.advance(3600 * SECOND);
    let shop = Shop::builder().path(&root).create().unwrap();
    shop.shelves.group("books").items.add(4);
    clock.advance(3600 * SECOND);
    drop(clock);
    let model = testing::snapshot(&shop);
    std::fs::remove_dir_all(&root).unwrap();
    let series = model.model("shop").unwrap().series().iter();
    assert_eq!(
        series.filter(|series| series.metric() == "items").count(),
        1
    );
}

#[test]
fn an_assertion_that_fails_names_values() {
    let shop = testing::model::<Shop>();
    shop.sales.add(2);
    let snapshot = testing::snapshot(&shop);
    assert_eq!(
        failure(|| assert_value(&snapshot, "sales", 3)),
        "`sales` is 2, expected 3"
    );
    let message = failure(|| assert_value(&snapshot, "salse", 2));
    let (first, list) = message.split_once('\n').unwrap();
    assert_eq!(
        first,
        "there is no value `salse` (expected 2); the most similar are"
    );
    assert!(list.lines().any(|line| line == "  sales = 2"), "{list}");
    // Another kind of value.
    failure(|| assert_value(&snapshot, "sales", "2"));
    failure(|| assert_value(&snapshot, "sales", -2));
}
