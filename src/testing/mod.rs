//! Support for unit tests of code that uses metrics: a clock that a test advances, and assertions about values.
//!
//! ```toml
//! [dev-dependencies]
//! mmstats = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use std::time::Duration;
//! use mmstats::testing::{self, Clock, assert_value};
//! use mmstats::{Counter, MmStats, Timer};
//!
//! #[derive(MmStats)]
//! #[mmstats(name = "shop")]
//! struct Shop {
//!     #[mmstats(window = "60s")]
//!     sales: Counter,
//!     sale_time: Timer,
//! }
//!
//! let clock = Clock::mock(); // until the end of the block
//! let shop = testing::model::<Shop>(); // in private memory
//!
//! let sale = shop.sale_time.start();
//! clock.advance(Duration::from_secs(3));
//! assert_eq!(sale.stop(), Duration::from_secs(3));
//! shop.sales.inc();
//!
//! let snapshot = testing::snapshot(&shop); // as readers see it
//! assert_value(&snapshot, "sales", 1);
//! assert_value(&snapshot, "sales.WindowCount", 1);
//! assert_value(&snapshot, "sale_time.Max", 3.0);
//!
//! clock.advance(Duration::from_secs(90));
//! let snapshot = testing::snapshot(&shop);
//! assert_value(&snapshot, "sales", 1);
//! assert_value(&snapshot, "sales.WindowCount", 0);
//! ```
//!
//! Code that finds its statistics by itself (through [`MmStats::local`](crate::MmStats::local), a static, the facade
//! `metrics`) is tested with a [`Root`].
//!
//! # Trade-offs
//! With this feature every reading of a clock first checks whether this thread's clock is mocked. So enable it in
//! `[dev-dependencies]` only, which a release build does not use.

mod assertion;
mod clock;
mod directory;
mod image;
mod root;

pub use self::assertion::{Expected, assert_value};
pub use self::clock::Clock;
pub use self::image::{model, snapshot};
pub use self::root::Root;
