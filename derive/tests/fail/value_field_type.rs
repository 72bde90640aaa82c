use mmstats::{Compound, MmStats, MmValue};

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool {
    ready: bool,
    open: usize,
    delta: isize,
    flags: [bool; 8],
    table: [[u8; 2]; 4],
}

#[derive(MmStats)]
struct Web {
    pool: Compound<Pool>,
}

fn main() {
    Web::local(|s| s.pool.get());
}
