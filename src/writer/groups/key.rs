//! What identifies a group, in the program and in the file.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::Hash;
use std::rc::Rc;

use crate::Error;
use crate::format::labels::{self, Labels};
use crate::metric::field::EnclosingName;
use crate::sys::lifecycle::idle::Idle;
use crate::writer::labels::MmLabels;
use crate::writer::names;

/// The name of the group that counts what could not have a group of its own. Where groups have labels, it is the
/// value of each.
pub const OTHER: &str = "_other";

/// What identifies the groups of a [`Groups`](super::Groups): a name ([`ByName`]) or a struct of labels
/// ([`MmLabels`]).
// It cannot be named outside the crate, so there are no other implementations.
pub trait GroupBy: Sized + 'static {
    /// The key by which a group is looked up.
    type Key: Eq + Hash + ?Sized;

    /// The form in which the table keeps the key. Cloning it does not allocate.
    type Owned: Borrow<Self::Key> + Clone + Eq + Hash + 'static;

    /// Returns a copy for the table.
    fn owned(key: &Self::Key) -> Self::Owned;

    /// Returns the id of the group in the file.
    fn id(key: &Self::Key, placement: &Placement) -> Result<GroupId, Error>;

    /// Returns the id of the group that counts what the others cannot.
    fn other(placement: &Placement) -> Result<GroupId, Error>;

    /// Returns whether the key is that of [`other`](Self::other).
    fn is_other(key: &Self::Key) -> bool;

    /// Returns what a message shows of the key.
    fn shown(key: &Self::Key) -> String;
}

/// Says that the groups have names. A [`Groups<T>`](super::Groups) has this in place of a struct of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByName {}

/// Where the groups of a field stand in their file.
#[derive(Debug, Default)]
pub struct Placement {
    /// The prefix of their labels.
    pub prefix: String,
    /// The labels of the instance around them. Each group has them, too.
    pub labels: Labels,
    /// The group around them, if it has a name. The name is in the prefix; a group with labels has it as a label
    /// instead.
    pub named: Option<EnclosingName>,
    /// The key under which exporters show a group's name; empty if none was set.
    pub group_label: String,
    /// The nanoseconds without a change after which a group ends.
    pub idle_after: Option<u64>,
    /// When the groups around them are idle.
    pub idle: Vec<Idle>,
}

/// What identifies a group in its file.
#[derive(Clone, Debug, Default)]
pub struct GroupId {
    /// The prefix of its label texts.
    pub prefix: String,
    /// Its name; empty if labels identify it.
    pub name: String,
    /// Its labels, sorted by key.
    pub labels: Labels,
}

impl GroupId {
    /// Returns the id of a group with a name.
    pub fn named(name: &str, placement: &Placement) -> Result<GroupId, Error> {
        names::check_label("group", name)?;
        let pair = |key: &str| (key.to_owned(), name.to_owned());
        let own: Labels = match placement.group_label.as_str() {
            "" => Labels::new(),
            key => vec![pair(key)],
        };
        if !placement.labels.is_empty() {
            // Groups with different labels may each contain a group with this name.
            return GroupId::labelled(vec![pair(labels::key_of_name(&own))], placement);
        }
        Ok(GroupId {
            prefix: placement.prefix.clone(),
            name: name.to_owned(),
            labels: own,
        })
    }

    /// Returns the id of a group with labels.
    pub fn labelled(mut labels: Labels, placement: &Placement) -> Result<GroupId, Error> {
        let mut prefix = placement.prefix.clone();
        labels.extend_from_slice(&placement.labels);
        if let Some(EnclosingName { key, at }) = &placement.named
            // Otherwise there would be two labels with this key; then the name stays in front.
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

    /// Returns the labels that all groups within it have.
    pub fn labels_within(&self) -> Labels {
        match self.name.as_str() {
            "" => self.labels.clone(),
            _ => Labels::new(),
        }
    }

    /// Returns its name, for the groups with labels within it.
    pub fn named_within(&self) -> Option<EnclosingName> {
        let begin = self.prefix.len();
        (!self.name.is_empty()).then(|| EnclosingName {
            key: labels::key_of_name(&self.labels).to_owned(),
            at: begin..begin + self.name.len(),
        })
    }
}

/// Returns what a message shows of labels.
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

    fn id(name: &str, placement: &Placement) -> Result<GroupId, Error> {
        GroupId::named(name, placement)
    }

    fn other(placement: &Placement) -> Result<GroupId, Error> {
        GroupId::named(OTHER, placement)
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

    fn id(key: &L, placement: &Placement) -> Result<GroupId, Error> {
        let values = key.values().into_iter().map(|value| value.into_owned());
        let keys = L::KEYS.iter().map(|&key| key.to_owned());
        GroupId::labelled(keys.zip(values).collect(), placement)
    }

    fn other(placement: &Placement) -> Result<GroupId, Error> {
        let pair = |&key: &&str| (key.to_owned(), OTHER.to_owned());
        GroupId::labelled(L::KEYS.iter().map(pair).collect(), placement)
    }

    fn is_other(key: &L) -> bool {
        key.values().iter().all(|value| value == OTHER)
    }

    fn shown(key: &L) -> String {
        let pairs: Vec<_> = L::KEYS.iter().zip(key.values()).collect();
        shown(&pairs)
    }
}
