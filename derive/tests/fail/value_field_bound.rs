use mmstats::MmValue;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Pool {
    name: &'static str,
    next: *const u8,
    wide: Wide,
    inner: Inner,
    letter: char,
    _pad: [char; 1],
}

type Wide = Option<u64>;

#[derive(Clone, Copy)]
#[repr(C)]
struct Inner {
    open: u64,
}

fn main() {}
