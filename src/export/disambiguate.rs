//! Adds labels that distinguish points which would otherwise be one series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a point comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The label text of its series.
    pub label: &'a str,
    /// The model.
    pub model: &'a str,
    /// The path that was read.
    pub path: &'a Path,
}

/// A point with labels.
pub trait HasLabels {
    /// Key and value.
    type Label: Ord;
    /// Its labels, in any order.
    fn labels(&self) -> &[Self::Label];
    /// Where it comes from.
    fn origin(&self) -> Origin<'_>;
    /// Adds a label, renamed if its name is already taken.
    fn add_label(&mut self, key: &str, value: &str);
}

/// Adds labels to points that have the same ones: `label`, `model` and `path`, whichever differ.
pub fn disambiguate(points: &mut [impl HasLabels]) {
    type Differs = (&'static str, for<'a> fn(Origin<'a>) -> Cow<'a, str>);
    const DIFFERS: [Differs; 3] = [
        ("label", |origin| origin.label.into()),
        ("model", |origin| origin.model.into()),
        ("path", |origin| origin.path.to_string_lossy()),
    ];
    for (key, of) in DIFFERS {
        let all = alike(points);
        if all.is_empty() {
            return;
        }
        for alike in all {
            let first = of(points[alike[0]].origin());
            if alike.iter().all(|&at| of(points[at].origin()) == first) {
                continue;
            }
            for at in alike {
                let value = of(points[at].origin()).into_owned();
                points[at].add_label(key, &value);
            }
        }
    }
    // Nothing known distinguishes these.
    for alike in alike(points) {
        for (number, at) in (1..).zip(alike).skip(1) {
            points[at].add_label("duplicate", &number.to_string());
        }
    }
}

/// Returns the indices of points that share their labels with another one, a list for each set of
/// labels.
fn alike<P: HasLabels>(points: &[P]) -> Vec<Vec<usize>> {
    if points.len() < 2 {
        return Vec::new();
    }
    let mut by_labels: BTreeMap<Vec<&P::Label>, Vec<usize>> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        let mut labels: Vec<_> = point.labels().iter().collect();
        labels.sort_unstable();
        by_labels.entry(labels).or_default().push(at);
    }
    let mut alike: Vec<_> = by_labels.into_values().collect();
    alike.retain(|alike| alike.len() > 1);
    alike
}
