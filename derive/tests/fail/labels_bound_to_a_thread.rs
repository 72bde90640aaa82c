use std::borrow::Cow;
use std::rc::Rc;

use mmstats::{MmLabelValue, MmLabels};

#[derive(Clone, PartialEq, Eq, Hash)]
struct Shared(Rc<str>);

impl MmLabelValue for Shared {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

// Statistics are sent to other threads with the labels of their groups.
#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    handler: Shared,
}

fn main() {}
