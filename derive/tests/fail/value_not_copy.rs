use mmstats::MmValue;

#[derive(MmValue)]
#[repr(C)]
struct Pool {
    open: u64,
}

fn main() {}
