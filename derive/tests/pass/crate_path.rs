//! The main crate under another name.
mod my {
    pub mod stats {
        pub use ::mmstats::*;
    }
}
use ::mmstats as renamed;
use my::stats::{Compound, Counter, MmStats, MmValue};

// Not the main crate.
#[allow(unused)]
mod mmstats {}

#[derive(MmStats)]
#[mmstats(crate = my::stats)]
struct Web {
    requests: Counter,
    pool: Compound<Pool>,
    db: Db,
}

#[derive(MmStats)]
#[mmstats(crate = "crate::my::stats")]
struct Db {
    queries: Counter,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
#[mmstats(crate = crate::my::stats)]
struct Pool {
    open: u64,
}

mod inner {
    use super::renamed::{Counter, MmStats};

    #[derive(MmStats)]
    #[mmstats(crate = super::renamed, name = "inner")]
    pub struct Inner {
        pub requests: Counter,
    }
}

fn main() {
    let web = Web::builder().anonymous().create().unwrap();
    web.requests.inc();
    web.db.queries.inc();
    web.pool.set(Pool { open: 3 });
    assert_eq!(web.pool.get().open, 3);
    let inner = inner::Inner::builder().anonymous().create().unwrap();
    inner.requests.inc();
}
