use mmstats::{Compound, MmStats, MmValue};

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    waits: u64,
    state: u8,
    time: f32,
    r#type: u16,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Second {
    open: u32,
    _pad: [u8; 4],
    waits: u64,
    state: u8,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C, align(64))]
struct Aligned {
    open: u32,
}

#[derive(MmStats)]
struct Web {
    pool: Compound<Pool>,
}

fn main() {
    Web::local(|_| ());
}
