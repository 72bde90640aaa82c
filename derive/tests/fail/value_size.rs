use mmstats::MmValue;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Large {
    open: [u64; 64],
    idle: u64,
}

fn main() {}
