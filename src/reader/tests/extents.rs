//! Extents, histories and contexts that no writer would make.

use super::*;
use crate::format::extent::{FIXED, Shape};
use crate::metric::history::{SHAPE, value::HistoryValue};
use proptest::prelude::*;

const CONTEXT: Shape = Shape {
    cells: 1,
    buffers: 1,
    words: 3,
    plain: 0,
};

fn entries(cells: u32) -> Shape {
    Shape { cells, ..SHAPE }
}

/// A file with the history `h`, whose one extent has these words, and the context "ctx" in place 0.
fn file(entries_of_it: &[u64], shape: Shape) -> Vec<u8> {
    let schema = schema([counter("a"), history("h")]);
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    maker.extent(block + 8, 0, shape, entries_of_it);
    let context = u64::from(u32::from_le_bytes(*b"ctx\0"));
    maker.extent(0, 0, CONTEXT, &[2, 3, context, 0]);
    maker.finish()
}

/// Checks how a reader reads the history, with both ways of copying.
fn read(bytes: &[u8], check: impl Fn(&Snapshot, Option<&HistoryValue>)) {
    both_ways(|root| {
        root.write("mmstats-1-1", bytes);
        let mut reader = root.reader();
        reader.per(Per::File);
        for _ in 0..2 {
            let snapshot = reader.snapshot().unwrap();
            snapshot.contexts(["nope"]);
            check(&snapshot, snapshot.history("m", "h"));
        }
    });
}

/// Returns the values and the texts of their contexts.
fn shown(history: Option<&HistoryValue>) -> Vec<(f64, Option<String>)> {
    (history.unwrap().entries().iter())
        .map(|entry| {
            (
                entry.value(),
                entry.context().map(|context| context.text().into()),
            )
        })
        .collect()
}

#[test]
fn a_context_that_is_committed_while_its_entry_is_copied_is_found() {
    both_ways(|root| {
        // The file as it is when its records are decoded, and as it is when its values are copied: with one
        // more record, and an entry that refers to the context in it.
        let before = file(&[2, 1, ONE, 1 << 32 | 1, 0, 0, 0, 0], entries(2));
        let mut grown = Maker {
            bytes: file(
                &[2, 1, ONE, 1 << 32 | 1, 4, 2, ONE, 1 << 32 | 2],
                entries(2),
            ),
        };
        let new = u64::from(u32::from_le_bytes(*b"new\0"));
        grown.extent(0, 1, CONTEXT, &[2, 3, new, 0]);
        let grown = grown.finish();
        let path = root.write("mmstats-1-1", &before);
        let mut reader = root.reader();
        reader.snapshot().unwrap();
        let mut files = reader.files.in_order();
        let one = &mut files[0];
        one.refresh_with(&mut reader.plans, &mut reader.scratch, || {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(&path);
            file.unwrap().write_all_at(&grown, 0).unwrap();
        })
        .unwrap();
        assert_eq!(one.contents.contexts.len(), 2);
        let values = &one.contents.values.words;
        let context = one.contents.contexts[1].values(values);
        assert_eq!(context, [2, 3, new, 0]);
    });
}

/// Returns where the record of the first extent begins in the file.
fn extent_at(bytes: &[u8]) -> usize {
    let head = [6, 0, 0, 0];
    (0..bytes.len() / 8)
        .map(|word| 8 * word)
        .find(|&at| bytes[at + 4..][..4] == head && bytes[at + 24..][..4] == [1, 0, 3, 0])
        .unwrap()
}

const ONE: u64 = 0x3ff0_0000_0000_0000;

#[test]
fn entries_are_known_by_their_numbers_wherever_they_lie() {
    let reference = 1 << 32 | 1;
    // Numbers 3, 1, none, and an entry whose writer died in the middle of number 4.
    let words = [
        6, 30, ONE, reference, 2, 10, ONE, 0, 0, 9, 9, 9, 7, 40, ONE, 0,
    ];
    read(&file(&words, entries(4)), |snapshot, history| {
        assert_no_errors(snapshot);
        let times = |entry: &crate::HistoryEntry| entry.time_ns();
        let history = history.unwrap();
        assert_eq!(
            history.entries().iter().map(times).collect::<Vec<_>>(),
            [30, 10]
        );
        assert_eq!((history.pushed(), history.missed()), (3, 1));
        assert_eq!(
            shown(Some(history)),
            [(1.0, Some("ctx".into())), (1.0, None)]
        );
    });
}

#[test]
fn two_entries_of_one_number_are_one_and_the_greatest_number_is_one() {
    let last = u64::MAX - 1;
    let words = [2, 1, ONE, 0, 2, 1, ONE, 0, last, 1, ONE, 0];
    read(&file(&words, entries(3)), |snapshot, history| {
        assert_no_errors(snapshot);
        let history = history.unwrap();
        assert_eq!(history.entries().len(), 2);
        assert_eq!(history.pushed(), last / 2);
        assert_eq!(history.missed(), last / 2 - 2);
    });
}

#[test]
fn references_that_lead_nowhere_are_lost_contexts() {
    for reference in [1, 2 << 32 | 1, 1 << 32 | 2, 1 << 32, u64::MAX - 1, u64::MAX] {
        read(
            &file(&[2, 1, ONE, reference], entries(1)),
            |snapshot, history| {
                assert_no_errors(snapshot);
                let entry = &history.unwrap().entries()[0];
                assert!(
                    entry.has_lost_context() && entry.context().is_none(),
                    "{reference:x}"
                );
            },
        );
    }
}

#[test]
fn a_length_beyond_its_place_ends_there_and_the_first_of_two_places_counts() {
    let mut bytes = file(&[2, 1, ONE, 1 << 32 | 1], entries(1));
    let text = bytes.windows(3).position(|three| three == b"ctx").unwrap();
    bytes[text - 8..text].copy_from_slice(&0xffff_ffffu64.to_le_bytes());
    // The context's record again, with another text.
    let context = text - 16 - 64;
    let mut again = bytes[context..].to_vec();
    assert_eq!(again.len() % 64, 0);
    let values = (bytes.len() + 64) as u32;
    again[16..20].copy_from_slice(&values.to_le_bytes());
    again[text - context..][..3].copy_from_slice(b"no!");
    bytes.extend(again);
    let len = bytes.len() as u64;
    bytes[COMMITTED..COMMITTED + 8].copy_from_slice(&len.to_le_bytes());
    read(&bytes, |snapshot, history| {
        assert_no_errors(snapshot);
        let context = history.unwrap().entries()[0].context().unwrap();
        assert_eq!(context.bytes(), b"ctx\0\0\0\0\0\0\0\0\0\0\0\0\0");
    });
}

#[test]
fn extents_that_lie_about_their_size_end_the_records() {
    let good = file(&[2, 1, ONE, 0], entries(1));
    let at = extent_at(&good);
    // The offset in the record, and the bytes there.
    let lies: [(usize, &[u8]); 8] = [
        (16, &[0; 4]),
        (16, &(at as u32 + FIXED as u32 - 8).to_le_bytes()),
        (16, &u32::MAX.to_le_bytes()),
        (20, &u32::MAX.to_le_bytes()),
        (20, &100u32.to_le_bytes()),
        (24, &[0, 0]),
        (24, &[3, 0]),
        (28, &u32::MAX.to_le_bytes()),
    ];
    for (offset, lie) in lies {
        let mut bytes = good.clone();
        bytes[at + offset..][..lie.len()].copy_from_slice(lie);
        read(&bytes, |snapshot, history| {
            assert_eq!(snapshot.errors().len(), 1, "{offset} {lie:?}");
            assert_eq!(shown(history), []);
        });
    }
}

#[test]
fn extents_of_nobody_and_of_another_shape_are_ignored() {
    let good = file(&[2, 1, ONE, 0], entries(1));
    let at = extent_at(&good);
    let owner = u32::from_le_bytes(good[at + 8..][..4].try_into().unwrap());
    for owner in [owner - 8, owner + 8, 8, u32::MAX, 0] {
        let mut bytes = good.clone();
        bytes[at + 8..][..4].copy_from_slice(&owner.to_le_bytes());
        read(&bytes, |snapshot, history| {
            assert_no_errors(snapshot);
            assert_eq!(shown(history), []);
        });
    }
    let mut bytes = good.clone();
    bytes[at + 26..][..2].copy_from_slice(&2u16.to_le_bytes());
    read(&bytes, |snapshot, history| {
        assert_no_errors(snapshot);
        assert_eq!(shown(history), []);
    });
}

#[test]
fn what_is_allocated_for_extents_is_in_proportion() {
    // A hole of 256 MiB that claims to be an extent. (Everything else is read.)
    let mut bytes = file(&[2, 1, ONE, 0], entries(1));
    let at = extent_at(&bytes);
    let values = u32::from_le_bytes(bytes[at + 16..][..4].try_into().unwrap());
    let len = 256u64 << 20;
    let cells = ((len - u64::from(values)) / 32) as u32;
    bytes[at..at + 4].copy_from_slice(&((len - at as u64) as u32).to_le_bytes());
    bytes[at + 20..][..4].copy_from_slice(&cells.to_le_bytes());
    bytes[COMMITTED..COMMITTED + 8].copy_from_slice(&len.to_le_bytes());
    both_ways(|root| {
        let path = root.write("mmstats-1-1", &bytes[..at + 64]);
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(len).unwrap();
        let snapshot = root.reader().snapshot().unwrap();
        assert_eq!(snapshot.errors().len(), 1);
        assert!(snapshot.errors()[0].error().contains("out of proportion"));
        assert_eq!(u64_of(&snapshot, "a"), Some(0));
    });
}

/// The shape of an entry whose texts have 16 bytes.
const ERROR: Shape = Shape {
    cells: 1,
    buffers: 2,
    words: 8,
    plain: 0,
};

/// The words of an entry with the lengths, flags and texts of its second buffer.
const LENGTHS: usize = 13;
const FLAGS: usize = 14;
const TEXTS: usize = 15;

/// Three of the error "odd" with the message "hm" at "at".
const ODD: [u64; 17] = {
    let texts = u64::from_le_bytes(*b"oddathm\0");
    let lengths = 3 | 2 << 16 | 2 << 32;
    [
        2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 10, 20, 0, lengths, 0, texts, 0,
    ]
};

/// The total of an error.
fn total(of: &[u64; 17]) -> [u64; 17] {
    let mut total = *of;
    total[FLAGS] |= 2;
    total
}

/// A file whose error log `e` has these extents.
fn errors_file(extents: &[(Shape, &[u64])]) -> Vec<u8> {
    let metric = metric(
        "e",
        code::ERRORS,
        Scalar::U64,
        Geometry {
            buffers: 0,
            words: 0,
            plain: 4,
        },
    );
    let schema = schema([counter("a"), metric]);
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    maker.set(block + 8, &[9, 1, 5, 2]);
    for (number, (shape, words)) in (0..).zip(extents) {
        maker.extent(block + 8, number, *shape, words);
    }
    maker.finish()
}

fn read_errors(bytes: &[u8], check: impl Fn(&Snapshot)) {
    both_ways(|root| {
        root.write("mmstats-1-1", bytes);
        let mut reader = root.reader();
        reader.per(Per::File);
        for _ in 0..2 {
            check(&reader.snapshot().unwrap());
        }
    });
}

/// Returns the name, site, message and count of each error.
fn distinct(snapshot: &Snapshot) -> Vec<(String, String, String, u64)> {
    let Some((_, errors)) = snapshot.errors_of("m").next() else {
        return Vec::new();
    };
    let own = |text: &str| text.to_owned();
    (errors.distinct().iter())
        .map(|e| (own(e.name()), own(e.site()), own(e.message()), e.count()))
        .collect()
}

#[test]
fn errors_are_what_their_extents_say_and_twice_the_same_is_one() {
    let mut in_the_making = ODD;
    in_the_making[0] = 0;
    // Its writer died in the middle of the second publication.
    let mut dead = ODD;
    (dead[0], dead[1]) = (3, u64::MAX);
    let extents = [ODD, in_the_making, dead, total(&ODD), total(&dead)];
    let extents: Vec<_> = extents.iter().map(|extent| (ERROR, &extent[..])).collect();
    let bytes = errors_file(&extents);
    read_errors(&bytes, |snapshot| {
        assert_no_errors(snapshot);
        let wanted = ("odd".to_owned(), "at".to_owned(), "hm".to_owned(), 6);
        assert_eq!(distinct(snapshot), [wanted]);
        assert_eq!(u64_of(snapshot, "e__all"), Some(9));
        assert_eq!(u64_of(snapshot, "e__EXC:odd"), Some(6));
        let (_, errors) = snapshot.errors_of("m").next().unwrap();
        assert_eq!(
            (errors.overflow(), errors.evicted(), errors.unnamed()),
            (1, 5, 2)
        );
        assert_eq!((errors.sites().len(), errors.sites()[0].count()), (1, 6));
    });
}

#[test]
fn texts_of_errors_end_with_their_extent_and_may_be_anything() {
    let mut endless = ODD;
    endless[LENGTHS] = u64::MAX;
    let mut harmful = ODD;
    harmful[LENGTHS] = 8;
    harmful[TEXTS] = u64::from_le_bytes(*b"\x1b\xff\n__\x00:.");
    let totals = [&endless, &harmful].map(total);
    let bytes = errors_file(&[
        (ERROR, &endless),
        (ERROR, &harmful),
        (ERROR, &totals[0]),
        (ERROR, &totals[1]),
    ]);
    read_errors(&bytes, |snapshot| {
        assert_no_errors(snapshot);
        let distinct = distinct(snapshot);
        assert_eq!(distinct.len(), 2);
        for (name, ..) in &distinct {
            let exposed = snapshot.get("m", &format!("e__EXC:{name}"));
            assert_eq!(exposed.and_then(Value::as_u64), Some(3), "{name:?}");
        }
    });
}

#[test]
fn extents_of_errors_of_another_shape_are_ignored() {
    for shape in [
        Shape { plain: 1, ..ERROR },
        Shape { cells: 2, ..ERROR },
        Shape { cells: 0, ..ERROR },
        Shape { words: 5, ..ERROR },
        Shape {
            buffers: 1,
            ..ERROR
        },
    ] {
        let words = vec![2; shape.total_words()];
        read_errors(&errors_file(&[(shape, &words)]), |snapshot| {
            assert_no_errors(snapshot);
            assert_eq!(distinct(snapshot), []);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changed_ones(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = file(&[2, 1, ONE, 1 << 32 | 1, 4, 2, ONE, 3], entries(2));
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        both_ways(|root| {
            root.write("mmstats-1-1", &bytes);
            let snapshot = root.reader().snapshot().unwrap();
            snapshot.contexts(["nope"]);
            for (_, _, value) in snapshot.iter() {
                if let Some(history) = value.as_history() {
                    assert!(history.entries().len() <= 2);
                }
            }
        });
    }

    #[test]
    fn changed_errors(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = errors_file(&[(ERROR, &ODD), (ERROR, &total(&ODD))]);
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        read_errors(&bytes, |snapshot| {
            assert!(distinct(snapshot).len() <= 2);
        });
    }
}
