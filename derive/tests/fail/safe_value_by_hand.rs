//! Bytes of a file are no references: what a value may hold is not for others to say.
#![forbid(unsafe_code)]
use mmstats::MmValue;
use mmstats::__private::ValueElement;

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Pointer(&'static u64);

impl ValueElement for Pointer {
    const SCALAR: mmstats::Scalar = mmstats::Scalar::U64;
    const COUNT: u16 = 0;
}

mod fake {
    pub use mmstats::MmValue;
    pub mod __private {
        pub use mmstats::__private::*;

        pub trait ValueElement {
            const SCALAR: Scalar = Scalar::U64;
            const COUNT: u16 = 0;
        }
        impl ValueElement for &'static u64 {}
    }
}

#[derive(Clone, Copy, MmValue)]
#[mmstats(crate = fake)]
#[repr(C)]
struct Value {
    pointer: &'static u64,
}

fn main() {}
