//! All element types of a value, and its description.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use mmstats::{Compound, MmStats, MmValue};

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, MmValue)]
#[repr(C)]
struct Everything {
    a: u8,
    b: i8,
    c: u16,
    d: i16,
    _pad: [u8; 2],
    e: u32,
    #[mmstats(merge = "latest")]
    f: i32,
    #[mmstats(merge = "max")]
    g: u64,
    h: i64,
    i: f32,
    j: [u16; 3],
    _pad2: u8,
    k: [u8; 5],
    l: f64,
    m: [i64; 2],
}

/// A single byte.
#[derive(Clone, Copy, Default, Debug, PartialEq, MmValue)]
#[repr(C)]
struct Byte {
    open: u8,
}

/// As large as a value may be.
#[derive(Clone, Copy, Debug, PartialEq, MmValue)]
#[repr(C)]
struct Full {
    open: [u64; 64],
}

#[derive(MmStats)]
struct Model {
    full: Compound<Full>,
    byte: Compound<Byte>,
    everything: Compound<Everything>,
}

fn main() {
    let fields: Vec<_> = <Everything as MmValue>::FIELDS
        .iter()
        .map(|field| {
            let (scalar, merge) = (field.scalar, field.merge);
            format!(
                "{} {scalar:?} {} {} {merge:?}",
                field.name, field.count, field.offset
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            "a U8 0 0 Sum",
            "b I8 0 1 Sum",
            "c U16 0 2 Sum",
            "d I16 0 4 Sum",
            "e U32 0 8 Sum",
            "f I32 0 12 Latest",
            "g U64 0 16 Max",
            "h I64 0 24 Sum",
            "i F32 0 32 Sum",
            "j U16 3 36 Sum",
            "k U8 5 43 Sum",
            "l F64 0 48 Sum",
            "m I64 2 56 Sum",
        ]
    );
    let model = Model::builder().anonymous().create().unwrap();
    model.byte.update(|byte| byte.open = 255);
    assert_eq!(model.byte.get(), Byte { open: 255 });
    let full = Full {
        open: std::array::from_fn(|i| i as u64),
    };
    model.full.set(full);
    assert_eq!(model.full.get(), full);
    assert_eq!(model.everything.get().m, [0, 0]);
}
