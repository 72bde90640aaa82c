//! Models in models, in functions, and made by macros.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mmstats::{Constant, Counter, Groups, MmStats};

mod deep {
    #[derive(mmstats::MmStats)]
    pub struct Outer {
        pub inner: Inner,
        #[mmstats(label = "other")]
        pub again: Inner,
        pub(crate) groups: mmstats::Groups<Inner>,
    }

    #[derive(mmstats::MmStats)]
    pub struct Inner {
        pub requests: mmstats::Counter,
        pub innermost: Innermost,
    }

    #[derive(mmstats::MmStats)]
    pub struct Innermost {
        pub requests: mmstats::Counter,
    }
}

macro_rules! model {
    ($name:ident, $label:literal, $digits:literal, $value:expr, $counter:ty) => {
        #[derive(MmStats)]
        #[mmstats(name = $label)]
        struct $name {
            #[mmstats(label = $label)]
            requests: $counter,
            #[mmstats(digits = $digits)]
            time: mmstats::Timer,
            #[mmstats(value = $value)]
            value: Constant<u32>,
        }
    };
}
model!(Made, "made", 3, 1 + 1, Counter);

fn main() {
    #[derive(MmStats)]
    struct Local {
        requests: Counter,
        groups: Groups<Made>,
    }

    let outer = deep::Outer::builder().anonymous().create().unwrap();
    outer.inner.requests.inc();
    outer.again.innermost.requests.add(2);
    outer.groups.group("index").innermost.requests.inc();
    assert_eq!(outer.inner.requests.get(), 1);
    assert_eq!(outer.again.innermost.requests.get(), 2);

    let local = Local::builder().anonymous().create().unwrap();
    local.requests.inc();
    local.groups["index"].requests.inc();
    assert_eq!(*local.groups["index"].value.get(), 2);
    assert_eq!(<Made as MmStats>::NAME, "made");

    let whole = Made::groups(["index", "login"])
        .anonymous()
        .create()
        .unwrap();
    whole.group("index").requests.inc();
}
