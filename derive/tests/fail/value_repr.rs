use mmstats::{Compound, MmStats, MmValue};

#[derive(Clone, Copy, MmValue)]
struct Pool {
    open: u32,
}

#[derive(Clone, Copy, MmValue)]
#[repr(transparent)]
struct Transparent {
    open: u32,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C, packed)]
struct Packed {
    open: u32,
    waits: u64,
}

#[derive(MmStats)]
struct Web {
    pool: Compound<Pool>,
}

fn main() {
    Web::local(|s| s.pool.set(Pool { open: 1 }));
}
