use mmstats::MmLabelValue;

#[derive(MmLabelValue)]
#[mmstats(key = "x")]
enum Method {
    Get(u8),
    Put { body: String },
    #[mmstats(name = "a\tb")]
    Control,
    #[mmstats(name = "delete")]
    Remove,
    Delete,
    #[mmstats(label = "x")]
    Label,
}

#[derive(MmLabelValue)]
struct Struct {
    field: u8,
}

#[derive(MmLabelValue)]
enum Empty {}

#[derive(MmLabelValue)]
enum Generic<const N: usize> {
    Get,
}

fn main() {}
