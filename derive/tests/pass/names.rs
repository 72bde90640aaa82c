//! Names of the user that might collide with those in generated code.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

use mmstats::{Compound, Constant, Counter, Flag, MmStats, MmValue};

#[derive(MmStats)]
struct R {
    r#type: Counter,
    r#match: Flag,
    describe: Counter,
    binder: Counter,
    value: Counter,
    #[mmstats(value = binder())]
    field: Constant<u32>,
    #[mmstats(value = value())]
    run: Constant<f64>,
    #[mmstats(value = describe!())]
    cell: Constant<i8>,
}

fn binder() -> u32 {
    7
}

fn value() -> f64 {
    1.5
}

macro_rules! describe {
    () => {
        -3
    };
}
use describe;

// Names that the prelude has.
struct Option;
struct Some;
struct None;
struct FnOnce;
struct Sized;
struct Copy;
type u16 = ();
type usize = ();
type str = ();
mod core {}
mod std {}

#[derive(MmStats)]
struct CELL {
    requests: Counter,
    r#struct: Compound<T>,
}

#[derive(Clone, ::core::marker::Copy, MmValue)]
#[repr(C)]
struct T {
    r#type: u64,
    __mmstats: u64,
}

#[derive(MmStats)]
struct r#Self_ {
    requests: Counter,
}

fn main() {
    let stats = R::builder().anonymous().create().unwrap();
    stats.r#type.inc();
    assert_eq!(*stats.field.get(), 7);
    assert_eq!(*stats.run.get(), 1.5);
    assert_eq!(*stats.cell.get(), -3);
    assert_eq!(<T as MmValue>::FIELDS[0].name, "type");
    assert_eq!(<r#Self_ as MmStats>::NAME, "Self_");
}
