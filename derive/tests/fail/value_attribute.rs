use mmstats::MmValue;

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
#[mmstats(name = "pool")]
struct Pool {
    #[mmstats(label = "opened")]
    open: u32,
    #[mmstats(merge = "average")]
    idle: u32,
    #[mmstats(merge)]
    waits: u64,
    #[mmstats(merge = "max", merge = "min")]
    most: u64,
    #[mmstats(counter = true)]
    made: u64,
    #[mmstats(counter, merge = "max")]
    lost: u64,
    #[mmstats(counter)]
    _pad_more: u64,
    #[mmstats(merge = "max")]
    _pad: u64,
}

fn main() {}
