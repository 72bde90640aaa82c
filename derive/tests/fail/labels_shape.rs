use mmstats::MmLabels;

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Tuple(u16);

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Unit;

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Empty {}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
enum Method {
    Get,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Generic<'a> {
    handler: &'a str,
}

fn main() {}
