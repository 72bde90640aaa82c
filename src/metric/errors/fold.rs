//! Folding the entries of an error log into a retired file.

use std::collections::BTreeMap;

use super::entry::{CHANGING, FIXED, MOST, TOTAL, plain, shape_of};
use super::text::ErrorText;
use crate::metric::context::Reference;
use crate::metric::extents::Extents;

/// The most totals of a log that have a place in the source in a retired file. A retired file sees many
/// releases of a program, whose places differ. Further totals have no place; there may be as many again of
/// those.
const FOLDED_MOST: usize = 1024;

pub(in crate::metric) static EXTENTS: Extents = Extents {
    is_extent: |shape| {
        let words = usize::from(shape.words);
        shape == shape_of(words) && words >= FIXED
    },
    changing: CHANGING,
    fold: Some(fold_extent),
};

/// Adds up the words that change. A retired file has no contexts, and at most as many messages as any other
/// file: if there are more, the most recent ones stay.
fn fold_extent(
    words: &mut [u64],
    into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
    fixed: &[u64],
    changing: &[u64],
) {
    let &[count, first, last, context] = changing else {
        return;
    };
    let context = match Reference(context) {
        Reference::NONE => Reference::NONE,
        _ => Reference::LOST,
    };
    let next = vec![count, first, last, context.0];
    if let Some(had) = into.get_mut(fixed) {
        had[0] = had[0].saturating_add(count);
        had[1] = had[1].min(first);
        if last > had[2] || had[3] == Reference::NONE.0 {
            had[3] = context.0;
        }
        had[2] = had[2].max(last);
        return;
    }
    let is_total = |fixed: &[u64]| fixed.get(1).is_some_and(|flags| flags & TOTAL != 0);
    let same = into
        .keys()
        .filter(|other| is_total(other) == is_total(fixed))
        .count();
    if is_total(fixed) {
        match ErrorText::from_words(fixed) {
            _ if same < FOLDED_MOST => drop(into.insert(fixed.to_vec(), next)),
            // The count of its name continues, even without the place.
            Some(text) if !text.site.is_empty() => {
                let text = ErrorText {
                    site: String::new(),
                    ..text
                };
                fold_extent(words, into, &text.total_words(), &next);
            }
            _ if same < 2 * FOLDED_MOST => drop(into.insert(fixed.to_vec(), next)),
            _ => add(&mut words[plain::UNNAMED], count),
        }
        return;
    }
    if same < MOST {
        into.insert(fixed.to_vec(), next);
        return;
    }
    add(&mut words[plain::EVICTED], 1);
    let oldest = (into.iter())
        .filter(|(other, _)| !is_total(other))
        .min_by_key(|(_, changing)| changing[2])
        .map(|(other, changing)| (other.clone(), changing[2]));
    if let Some((oldest, its_last)) = oldest
        && its_last < last
    {
        into.remove(&oldest);
        into.insert(fixed.to_vec(), next);
    }
}

fn add(word: &mut u64, count: u64) {
    *word = word.saturating_add(count);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::format::bytes::words;
    use crate::metric::errors::entry::PLAIN;

    /// Folds the total of one error with this name and site.
    fn fold(
        plain_words: &mut [u64; PLAIN],
        into: &mut BTreeMap<Vec<u64>, Vec<u64>>,
        name: &str,
        site: &str,
    ) {
        let lengths = name.len() | site.len() << 16;
        let texts = [name, site].concat();
        let fixed: Vec<u64> = [lengths as u64, TOTAL]
            .into_iter()
            .chain(words(texts.as_bytes()))
            .collect();
        fold_extent(plain_words, into, &fixed, &[1, 10, 20, 0]);
    }

    #[test]
    fn the_count_of_a_name_goes_on_when_a_retired_file_has_too_many_places() {
        let (mut plain_words, mut into) = ([0; PLAIN], BTreeMap::new());
        for place in 0..5_000 {
            fold(
                &mut plain_words,
                &mut into,
                "io::Error",
                &format!("a.rs:{place}:1"),
            );
        }
        assert_eq!(into.len(), FOLDED_MOST + 1);
        let count: u64 = into.values().map(|changing| changing[0]).sum();
        assert_eq!((count, plain_words[plain::UNNAMED]), (5_000, 0));
        // Names are bounded, too.
        for name in 0..2_000 {
            fold(
                &mut plain_words,
                &mut into,
                &format!("name {name}"),
                "a.rs:1:1",
            );
        }
        assert_eq!(into.len(), 2 * FOLDED_MOST);
        let count: u64 = into.values().map(|changing| changing[0]).sum();
        assert_eq!(count + plain_words[plain::UNNAMED], 7_000);
    }
}
