use mmstats::{Compound, MmStats, MmValue};

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool<T> {
    open: T,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Many<const N: usize> {
    open: [u8; N],
}

#[derive(MmStats)]
struct Web {
    pool: Compound<Pool<u32>>,
    many: Compound<Many<8>>,
}

fn main() {
    Web::local(|_| ());
}
