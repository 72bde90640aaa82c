//! No way leads from a model to a handle of one's own.
#![forbid(unsafe_code)]
use std::mem;

use mmstats::{Counter, Groups, MmStats, Stats};

#[derive(MmStats)]
struct Web {
    requests: Counter,
    pages: Groups<Page>,
}

#[derive(MmStats)]
struct Page {
    views: Counter,
}

fn moved(web: Stats<Web>) -> Counter {
    web.requests
}

fn swapped(mut one: Stats<Web>, mut two: Stats<Web>) {
    mem::swap(&mut one.requests, &mut two.requests);
    mem::swap(&mut *one, &mut *two);
}

fn cloned(web: &Web) -> Counter {
    web.requests.clone()
}

fn lent<'a>() -> &'a Counter {
    Web::local(|s| &s.requests)
}

fn outlived() -> &'static Page {
    let web = Web::create().unwrap();
    web.pages.group("index")
}

fn defaulted() -> Counter {
    Counter::default()
}

fn main() {}
