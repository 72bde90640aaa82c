//! A field of one's own would get the binder, and keep a handle for longer than its file.
#![forbid(unsafe_code)]
use mmstats::__private::{Binder, ConstantField, Describe, Field, Options};
use mmstats::{ConstantType, Counter, MmStats};

struct Thief;

impl Field for Thief {
    fn describe(describe: &mut Describe, label: &str, options: Options<'_>) {
        Counter::describe(describe, label, options)
    }
    fn bind(binder: &mut Binder<'_>, label: &str, options: Options<'_>) -> Thief {
        std::mem::forget(Counter::bind(binder, label, options));
        Thief
    }
}

struct Constant(std::rc::Rc<u32>);

impl ConstantField for Constant {
    type Value = std::rc::Rc<u32>;
    fn describe(_: &mut Describe, _: &str, _: Options<'_>) {}
    fn bind(_: &mut Binder<'_>, value: Self::Value) -> Constant {
        Constant(value)
    }
}

struct Shared(std::rc::Rc<u32>);

impl ConstantType for Shared {}

#[derive(MmStats)]
struct Web {
    requests: Counter,
}

struct ByHand;

impl MmStats for ByHand {}

fn main() {
    Web::local(|s| s.requests.inc());
}
