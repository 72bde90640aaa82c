use mmstats::MmValue;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool {
    open: u64,
    idle: [u64; 0],
}

fn main() {}
