use mmstats::{Compound, MmStats};

#[derive(MmStats)]
struct Web {
    pool: Compound<Pool>,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Pool {
    open: u64,
}

fn main() {
    Web::local(|_| ());
}
