use mmstats::MmValue;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
enum Enum {
    Open(u32),
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
union Union {
    open: u32,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Tuple(u32);

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Unit;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Empty {}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct OnlyPadding {
    _pad: [u8; 8],
}

fn main() {}
