//! Identities: the prefix, and the group or labels, that name a series together with its metric. They stay
//! separate from the file to where they are printed, so that an exporter never has to parse a label text.

use crate::format::labels::{self, Labels};
use crate::format::record;
use crate::format::schema::whole_label;

/// The identity of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The start of the label texts, including the dot at its end, if any.
    pub prefix: Box<str>,
    /// Name of the group; empty if there is none.
    pub group: Box<str>,
    /// Pairs by key. If there is a group name and one pair, its key is what exporters call the group.
    pub labels: Labels,
}

impl Identity {
    /// Returns the label text of one of its metrics.
    pub fn label(&self, metric: &str) -> String {
        let mut label = self.without_pairs(metric);
        if self.group.is_empty() {
            labels::write_text(&self.labels, &mut label);
        }
        label
    }

    /// Returns the label text without any pairs. It is empty for a metric that has no name at all.
    pub fn without_pairs(&self, metric: &str) -> String {
        if self.group.is_empty() {
            whole_label(&self.prefix, metric)
        } else {
            whole_label(&format!("{}{}.", self.prefix, self.group), metric)
        }
    }

    /// Returns the group's name, if it has one.
    pub fn group(&self) -> Option<&str> {
        (!self.group.is_empty()).then_some(&self.group)
    }

    /// Returns the key under which exporters show the group's name.
    pub fn group_label(&self) -> &str {
        match &*self.group {
            "" => labels::key_of_name(&[]),
            _ => labels::key_of_name(&self.labels),
        }
    }

    /// Returns the labels that identify it; none if it has a group name.
    pub fn labels(&self) -> &[(String, String)] {
        if self.group.is_empty() {
            &self.labels
        } else {
            &[]
        }
    }

    /// Returns whether both have the same group or the same labels. The key by which exporters call the group
    /// may differ.
    pub fn is_like(&self, other: &Identity) -> bool {
        self.group == other.group && self.labels() == other.labels()
    }

    /// Describes it in words: `of the group "index"`.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        labels::write_text(self.labels(), &mut text);
        match self.group() {
            Some(group) => format!("of the group {group:?}"),
            None if text.is_empty() => "of no group".to_owned(),
            None => format!("of the labels {text}"),
        }
    }
}

impl From<record::Instance> for Identity {
    fn from(instance: record::Instance) -> Identity {
        Identity {
            prefix: instance.prefix.into(),
            group: instance.group.into(),
            labels: instance.labels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(prefix: &str, group: &str, labels: &[(&str, &str)]) -> Identity {
        Identity {
            prefix: prefix.into(),
            group: group.into(),
            labels: (labels.iter())
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
        }
    }

    #[test]
    fn labels_are_joined_and_escaped_as_text() {
        let pairs = [("handler", "a\"b\\c\nd"), ("status", "200")];
        for (identity, metric, label) in [
            (identity("", "", &[]), "ok", "ok"),
            (identity("web.", "", &[]), "ok", "web.ok"),
            (identity("web.", "index", &[]), "ok", "web.index.ok"),
            (identity("web.", "index", &[]), "", "web.index"),
            (
                identity("web.", "", &pairs),
                "ok",
                r#"web.ok{handler="a\"b\\c\nd",status="200"}"#,
            ),
            (
                identity("web.", "", &pairs[1..]),
                "",
                r#"web{status="200"}"#,
            ),
            // The pair only sets what exporters call the group.
            (
                identity("", "index", &[("handler", "index")]),
                "ok",
                "index.ok",
            ),
        ] {
            assert_eq!(identity.label(metric), label);
        }
    }

    #[test]
    fn one_pair_beside_a_group_is_its_key() {
        let plain = identity("", "index", &[]);
        let named = identity("", "index", &[("handler", "index")]);
        let several = identity("", "index", &[("a", ""), ("b", "")]);
        assert_eq!(plain.group_label(), "group");
        assert_eq!(named.group_label(), "handler");
        assert_eq!(several.group_label(), "group");
        assert!(named.labels().is_empty() && several.labels().is_empty());
        assert!(plain.is_like(&named));
        let pairs = identity("", "", &[("handler", "index")]);
        assert_eq!((pairs.group(), pairs.group_label()), (None, "group"));
        assert!(!pairs.is_like(&named));
    }
}
