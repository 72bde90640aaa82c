//! Texts of 32 bytes.

use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::row::{Row, Twins, twins};

/// As long as a `Text<32>` may be.
const TEXT: &str = "2026-11-21 build 4e69834 release";

const _: () = assert!(TEXT.len() == 32);

pub fn rows() -> Vec<Row> {
    Twins::rows([
        twins!("7 plain stores", |s, i| black_box(&mut s.sevens), |cells| {
            // What a publication of 32 bytes has to store: the begin mark, the end mark, the length and four words.
            for cell in cells.iter() {
                cell.store(i, Ordering::Relaxed);
            }
        }),
        twins!(
            "Text<32>::set",
            |s, _i| (s.stats.text, s.fields.texts),
            |text| text.set(black_box(TEXT))
        ),
        twins!("Mutex<String>", |s, _i| s.peers.cells.mutex_text, |text| {
            let mut text = Mutex::lock(text).expect("no panic");
            text.clear();
            text.push_str(black_box(TEXT));
        }),
        twins!(
            "arc-swap of a String",
            |s, _i| s.peers.cells.swap_text,
            |text| text.store(Arc::new(black_box(TEXT).to_owned()))
        ),
        twins!("hornet text", |s, _i| s.peers.gauges.hornet_text, |text| {
            text.set_val(black_box(TEXT).to_owned()).expect("a mapping")
        }),
    ])
}
