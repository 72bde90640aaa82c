//! Visitors that read the fields of spans and events.

use std::error::Error;
use std::fmt::{Debug, Write};

use ::tracing::Event;
use ::tracing::field::{Field, Visit};

use crate::format::labels::{LABELS_MOST, Labels};
use crate::writer::valid_label;

/// Takes the requested fields as labels.
pub struct FieldsAsLabels<'a> {
    asked: &'a [Box<str>],
    labels: &'a mut Labels,
}

impl<'a> FieldsAsLabels<'a> {
    /// Returns a visitor that enters the fields into `labels`.
    pub fn new(asked: &'a [Box<str>], labels: &'a mut Labels) -> FieldsAsLabels<'a> {
        FieldsAsLabels { asked, labels }
    }

    fn take(&mut self, field: &Field, value: impl FnOnce() -> String) {
        if self.asked.iter().any(|asked| **asked == *field.name()) {
            enter(self.labels, field.name().to_owned(), value());
        }
    }
}

/// Enters a label, or changes its value. A label beyond the most that a series can have is left out; one place
/// is kept for `span`.
pub fn enter(labels: &mut Labels, key: String, value: String) {
    let (key, value) = valid_label(&key, &value);
    match labels.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(index) => labels[index].1 = value,
        Err(index) if labels.len() + 1 < LABELS_MOST => labels.insert(index, (key, value)),
        Err(_) => {}
    }
}

impl Visit for FieldsAsLabels<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, || format!("{value:?}"));
    }
}

/// The text of an event: its message, then its fields as `key=value`.
#[derive(Default)]
pub struct Message {
    text: String,
    fields: String,
    has_error: bool,
}

impl Message {
    fn add(&mut self, field: &Field, value: &dyn Debug) {
        let to = match field.name() {
            "message" => &mut self.text,
            name => {
                let _ = write!(self.fields, " {name}=");
                &mut self.fields
            }
        };
        let _ = write!(to, "{value:?}");
    }

    /// Runs `take` with the first error among the fields, if any, and the text.
    pub fn read(
        mut self,
        event: &Event<'_>,
        take: impl FnOnce(Option<&(dyn Error + 'static)>, &str),
    ) {
        if self.text.is_empty() {
            self.text = self.fields.trim_start().to_owned();
        } else {
            self.text.push_str(&self.fields);
        }
        if self.has_error {
            let (text, take) = (&self.text, Some(take));
            event.record(&mut FirstError { text, take });
        } else {
            take(None, &self.text);
        }
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.has_error = true;
        self.add(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, value);
    }
}

/// Runs `take` with the first error, which is borrowed only while it is visited.
struct FirstError<'a, F> {
    text: &'a str,
    take: Option<F>,
}

impl<F: FnOnce(Option<&(dyn Error + 'static)>, &str)> Visit for FirstError<'_, F> {
    fn record_error(&mut self, _: &Field, value: &(dyn Error + 'static)) {
        if let Some(take) = self.take.take() {
            take(Some(value), self.text);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
