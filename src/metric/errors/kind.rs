//! The read side of Errors: its kind.

use std::collections::BTreeMap;

use super::entry::{CHANGING, PLAIN, TOTAL, plain};
use super::fold::EXTENTS;
use super::text::ErrorText;
use super::value::{DistinctError, ErrorsValue, in_order};
use crate::format::scalar::Number;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::context::Reference;
use crate::metric::kind::{Counts, Kind, Raw, code};
use crate::metric::sample::{Reading, Sample, Sink};
use crate::metric::value::Value;

/// The place of a log: plain words, see [`plain`]. Its entries are extents.
pub(in crate::metric) const GEOMETRY: Geometry = Geometry {
    buffers: 0,
    words: 0,
    plain: PLAIN as u16,
};

pub(in crate::metric) static KIND: Kind = Kind {
    code: code::ERRORS,
    name: "errors",
    count: |value| value.as_errors().map(ErrorsValue::all),
    counts: Counts::All,
    check,
    decode: |_, raw| Value::Errors(Box::new(decode(raw))),
    merge: |into, next, _, _| {
        if let (Value::Errors(merged), Value::Errors(next)) = (into, next) {
            merged.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Errors(now), Value::Errors(before)) = (now, before) {
            now.take_off(before);
        }
    }),
    none: |_| Value::Errors(Box::default()),
    fold: |_, into, next, _| {
        for (word, next) in into.iter_mut().zip(next) {
            *word = word.saturating_add(*next);
        }
        Ok(())
    },
    extents: Some(&EXTENTS),
    unit: None,
    samples: |value, _, each| {
        if let Value::Errors(errors) = value {
            samples(errors, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    if schema.geometry != GEOMETRY {
        return Err(format!(
            "expected four plain words, found {:?}",
            schema.geometry
        ));
    }
    Ok(())
}

fn decode(raw: Raw<'_>) -> ErrorsValue {
    let (mut distinct, mut sites) = (Vec::new(), Vec::new());
    for (_, words) in raw.extents {
        let Some((&[sequence, count, first, last, context], fixed)) =
            words.split_first_chunk::<{ 1 + CHANGING }>()
        else {
            continue;
        };
        // 0: the entry has its space, but has not been published yet.
        let Some(text) = (sequence != 0)
            .then(|| ErrorText::from_words(fixed))
            .flatten()
        else {
            continue;
        };
        let is_total = fixed[1] & TOTAL != 0;
        let of = if is_total { &mut sites } else { &mut distinct };
        of.push(DistinctError {
            text,
            count,
            first,
            last,
            context: raw.contexts.find(Reference(context)),
        });
    }
    let word = |number: usize| raw.words[number];
    ErrorsValue {
        all: word(plain::ALL),
        overflow: word(plain::OVERFLOW),
        evicted: word(plain::EVICTED),
        unnamed: word(plain::UNNAMED),
        distinct: in_order(distinct),
        sites: in_order(sites),
    }
}

/// Passes the count of all errors and the count of each name to `each`.
fn samples(errors: &ErrorsValue, each: &mut Sink<'_>) {
    let count = |n: u64| Reading::Cumulative(Number::Int(n.into()));
    each(Sample::derived("all", "", count(errors.all())));
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for error in errors.sites() {
        let sum = names.entry(error.exposed_as()).or_default();
        *sum = sum.saturating_add(error.count());
    }
    for (name, sum) in names {
        each(Sample {
            label: Some("error"),
            ..Sample::exported(&name, "", count(sum))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::context::ResolvedContext;

    #[test]
    fn samples_are_a_count_for_each_name_whatever_the_site() {
        let total = |name: &str, site: &str, is_note: bool, count: u64| DistinctError {
            text: ErrorText {
                name: name.to_owned(),
                is_note,
                message: String::new(),
                site: site.to_owned(),
                sources: String::new(),
            },
            count,
            first: 1,
            last: 2,
            context: ResolvedContext::Nothing,
        };
        let errors = ErrorsValue {
            all: 8,
            sites: vec![
                total("A", "a", false, 2),
                total("A", "b", false, 3),
                total("", "", true, 1),
                total("b", "", true, 1),
            ],
            ..ErrorsValue::default()
        };
        let mut said = Vec::new();
        Value::Errors(Box::new(errors)).samples("u", |sample| {
            let Reading::Cumulative(Number::Int(count)) = sample.reading else {
                panic!("{sample:?}");
            };
            let exported = sample.is_exported;
            said.push((sample.part.to_owned(), sample.label, exported, count));
            assert_eq!(sample.unit, "");
            assert!(!sample.is_whole());
        });
        let wanted = [
            ("all", None, false, 8),
            ("", Some("error"), true, 1),
            ("EXC:A", Some("error"), true, 5),
            ("b", Some("error"), true, 1),
        ];
        assert_eq!(
            said,
            wanted.map(|(part, label, exported, count)| (part.to_owned(), label, exported, count))
        );
    }
}
