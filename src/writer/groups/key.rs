//! What tells a group from the others, in the program and in the file.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::Hash;
use std::rc::Rc;

use crate::Error;
use crate::format::labels::{self, Labels};
use crate::metric::field::Named;
use crate::sys::lifecycle::idle::Idle;
use crate::writer::labels::MmLabels;
use crate::writer::names;

/// Under this name counts what could not have a group of its own. Where groups have labels, each value is this.
pub const OTHER: &str = "_other";

/// By what the groups of a [`Groups`](super::Groups) are told apart: a name ([`ByName`]) or a struct of labels
/// ([`MmLabels`]).
// It cannot be named outside, so there are no others.
pub trait GroupBy: Sized + 'static {
    /// What a group is asked for by.
    type Key: Eq + Hash + ?Sized;

    /// What the table has of it. To clone it allocates nothing.
    type Owned: Borrow<Self::Key> + Clone + Eq + Hash + 'static;

    /// A copy for the table.
    fn owned(key: &Self::Key) -> Self::Owned;

    /// Who the group is in the file.
    fn id(key: &Self::Key, around: &Around) -> Result<GroupId, Error>;

    /// Who the group is that has what the others cannot.
    fn other(around: &Around) -> Result<GroupId, Error>;

    /// Whether it is that one.
    fn is_other(key: &Self::Key) -> bool;

    /// What a message shows of it.
    fn shown(key: &Self::Key) -> String;
}

/// The groups have names. What a [`Groups<T>`](super::Groups) has in the place of a struct of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByName {}

/// Where the groups of a field stand in their file.
#[derive(Debug, Default)]
pub struct Around {
    /// What their labels begin with.
    pub prefix: String,
    /// The labels of the instance around them: each group has them, too.
    pub labels: Labels,
    /// The group around them, if it has a name. That is in the prefix, and the label of a group that goes by labels.
    pub named: Option<Named>,
    /// What exporters call a group's name; empty if nothing was said.
    pub group_label: String,
    /// After how many nanoseconds without a write a group ends.
    pub idle_after: Option<u64>,
    /// When the groups around them are idle.
    pub idle: Vec<Idle>,
}

/// Who a group is in its file.
#[derive(Clone, Debug, Default)]
pub struct GroupId {
    /// What its label texts begin with.
    pub prefix: String,
    /// Its name, or nothing where it goes by its labels.
    pub name: String,
    /// Its labels, by key.
    pub labels: Labels,
}

impl GroupId {
    /// A group that goes by a name.
    pub fn named(name: &str, around: &Around) -> Result<GroupId, Error> {
        names::check_label("group", name)?;
        let pair = |key: &str| (key.to_owned(), name.to_owned());
        let own: Labels = match around.group_label.as_str() {
            "" => Labels::new(),
            key => vec![pair(key)],
        };
        if !around.labels.is_empty() {
            // Two groups of this name may stand in groups of different labels.
            return GroupId::labelled(vec![pair(labels::key_of_name(&own))], around);
        }
        Ok(GroupId {
            prefix: around.prefix.clone(),
            name: name.to_owned(),
            labels: own,
        })
    }

    /// A group that goes by its labels.
    pub fn labelled(mut labels: Labels, around: &Around) -> Result<GroupId, Error> {
        let mut prefix = around.prefix.clone();
        labels.extend_from_slice(&around.labels);
        if let Some(Named { key, at }) = &around.named
            // Else there would be two of this key: then the name stays in front.
            && labels.iter().all(|(other, _)| other != key)
        {
            labels.push((key.clone(), prefix[at.clone()].to_owned()));
            prefix.replace_range(at.start..at.end + 1, "");
        }
        labels.sort();
        names::check_labels(&labels)?;
        Ok(GroupId {
            prefix,
            name: String::new(),
            labels,
        })
    }

    /// The labels that all groups within it have.
    pub fn labels_within(&self) -> Labels {
        match self.name.as_str() {
            "" => self.labels.clone(),
            _ => Labels::new(),
        }
    }

    /// Its name, for those of the groups within it that go by labels.
    pub fn named_within(&self) -> Option<Named> {
        let begin = self.prefix.len();
        (!self.name.is_empty()).then(|| Named {
            key: labels::key_of_name(&self.labels).to_owned(),
            at: begin..begin + self.name.len(),
        })
    }
}

/// What a message shows of labels.
pub fn shown(labels: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    let mut text = String::new();
    labels::write_text(labels, &mut text);
    text.truncate(names::shown(&text).len());
    text
}

impl GroupBy for ByName {
    type Key = str;
    type Owned = Rc<str>;

    fn owned(name: &str) -> Rc<str> {
        name.into()
    }

    fn id(name: &str, around: &Around) -> Result<GroupId, Error> {
        GroupId::named(name, around)
    }

    fn other(around: &Around) -> Result<GroupId, Error> {
        GroupId::named(OTHER, around)
    }

    fn is_other(name: &str) -> bool {
        name == OTHER
    }

    fn shown(name: &str) -> String {
        format!("{:?}", names::shown(name))
    }
}

impl<L: MmLabels> GroupBy for L {
    type Key = L;
    type Owned = Rc<L>;

    fn owned(key: &L) -> Rc<L> {
        Rc::new(key.clone())
    }

    fn id(key: &L, around: &Around) -> Result<GroupId, Error> {
        let values = key.values().into_iter().map(|value| value.into_owned());
        let keys = L::KEYS.iter().map(|&key| key.to_owned());
        GroupId::labelled(keys.zip(values).collect(), around)
    }

    fn other(around: &Around) -> Result<GroupId, Error> {
        let pair = |&key: &&str| (key.to_owned(), OTHER.to_owned());
        GroupId::labelled(L::KEYS.iter().map(pair).collect(), around)
    }

    fn is_other(key: &L) -> bool {
        key.values().iter().all(|value| value == OTHER)
    }

    fn shown(key: &L) -> String {
        let pairs: Vec<_> = L::KEYS.iter().zip(key.values()).collect();
        shown(&pairs)
    }
}
