//! `crate = …` that leads to the real traits, but for one that gets the binder.
#![forbid(unsafe_code)]
use mmstats::MmStats;

mod fake {
    pub use mmstats::MmStats;
    pub mod __private {
        pub use mmstats::__private::*;

        pub trait ConstantField {
            type Value;
            fn describe(_: &mut Describe, _: &str, _: Options<'_>)
            where
                Self: Sized,
            {
            }
            fn bind(binder: &mut Binder<'_>, _: Self::Value) -> Self
            where
                Self: Sized,
            {
                let _ = binder;
                unreachable!()
            }
        }
        impl ConstantField for mmstats::Counter {
            type Value = ();
        }
    }
}

#[derive(MmStats)]
#[mmstats(crate = fake)]
struct Web {
    #[mmstats(value = ())]
    requests: mmstats::Counter,
}

fn main() {
    Web::local(|s| s.requests.inc());
}
