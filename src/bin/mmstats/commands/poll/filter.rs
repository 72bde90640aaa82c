//! Selects the files of a poll.

use mmstats::reader::{Model, matches};

use crate::commands::show;

/// Conditions that a file has to meet, all of them.
pub struct Filters(Vec<Filter>);

/// A pattern for a label that the file must have, and optionally the text of its value.
struct Filter {
    label: String,
    value: Option<String>,
}

impl Filters {
    /// Parses `LABEL` or `LABEL=VALUE`.
    pub fn parse(filters: &[String]) -> Filters {
        let parse = |filter: &String| match filter.split_once('=') {
            Some((label, value)) => Filter {
                label: label.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Filter {
                label: filter.clone(),
                value: None,
            },
        };
        Filters(filters.iter().map(parse).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a separately read file meets all conditions.
    pub fn pass(&self, own: &Model) -> bool {
        let mut met = vec![false; self.0.len()];
        show::each_line(own, &[], |label, value| {
            for (filter, met) in self.0.iter().zip(&mut met) {
                *met |= matches(&filter.label, label)
                    && (filter.value.as_ref()).is_none_or(|wanted| *wanted == value());
            }
        });
        met.into_iter().all(|met| met)
    }
}
