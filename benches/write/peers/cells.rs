//! Containers for a value of several words.

use std::array::from_fn;
use std::sync::Mutex;

use arc_swap::ArcSwap;
use crossbeam_utils::atomic::AtomicCell;
use seqlock::SeqLock;
use triple_buffer::{Input, Output, TripleBuffer};

use crate::setup::{Line, MANY};

pub struct Cells {
    pub seqlock: [SeqLock<Line>; MANY],
    pub crossbeam: [AtomicCell<Line>; MANY],
    pub triple: [(Input<Line>, Output<Line>); MANY],
    pub swap: [ArcSwap<Line>; MANY],
    pub mutex: [Mutex<Line>; MANY],
    pub mutex_text: [Mutex<String>; MANY],
    pub swap_text: [ArcSwap<String>; MANY],
}

impl Cells {
    pub fn new() -> Cells {
        Cells {
            seqlock: from_fn(|_| SeqLock::new(Line::default())),
            crossbeam: from_fn(|_| AtomicCell::new(Line::default())),
            triple: from_fn(|_| TripleBuffer::new(&Line::default()).split()),
            swap: from_fn(|_| ArcSwap::from_pointee(Line::default())),
            mutex: from_fn(|_| Mutex::new(Line::default())),
            mutex_text: from_fn(|_| Mutex::new(String::new())),
            swap_text: from_fn(|_| ArcSwap::from_pointee(String::new())),
        }
    }
}
