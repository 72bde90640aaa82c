//! `Stats` is `Send` for models only: for others nothing is proved.
#![forbid(unsafe_code)]
use std::rc::Rc;

use mmstats::Stats;

fn send<T: Send>() {}

fn any<T>() {
    send::<Stats<T>>();
}

fn main() {
    send::<Stats<Rc<u32>>>();
    any::<u32>();
}
