//! Points that would be one series: what tells them apart.

use std::collections::BTreeMap;

/// Where a point comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The label text of its series.
    pub label: String,
    /// The model.
    pub model: String,
    /// The path that was read.
    pub path: String,
}

/// A point with labels.
pub trait Labelled {
    /// Its labels, in any order.
    fn labels(&self) -> &[(String, String)];
    /// Where it comes from.
    fn origin(&self) -> &Origin;
    /// Adds a label. Where its name is there, it is renamed.
    fn add_label(&mut self, key: &str, value: &str);
}

/// Adds labels to points that have the same ones: `label`, `model` and `path`, whichever differ.
pub fn tell_apart(points: &mut [impl Labelled]) {
    type Differs = (&'static str, fn(&Origin) -> &str);
    const DIFFERS: [Differs; 3] = [
        ("label", |origin| &origin.label),
        ("model", |origin| &origin.model),
        ("path", |origin| &origin.path),
    ];
    for (key, of) in DIFFERS {
        for alike in alike(points) {
            let first = of(points[alike[0]].origin());
            if alike.iter().all(|&at| of(points[at].origin()) == first) {
                continue;
            }
            for at in alike {
                let value = of(points[at].origin()).to_owned();
                points[at].add_label(key, &value);
            }
        }
    }
    // Nothing is known that tells them apart.
    for alike in alike(points) {
        for (number, at) in (1..).zip(alike).skip(1) {
            points[at].add_label("duplicate", &number.to_string());
        }
    }
}

/// The places of points that have the same labels, where there are several.
fn alike(points: &[impl Labelled]) -> Vec<Vec<usize>> {
    if points.len() < 2 {
        return Vec::new();
    }
    let mut by_labels: BTreeMap<Vec<&(String, String)>, Vec<usize>> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        let mut labels: Vec<_> = point.labels().iter().collect();
        labels.sort_unstable();
        by_labels.entry(labels).or_default().push(at);
    }
    let mut alike: Vec<_> = by_labels.into_values().collect();
    alike.retain(|alike| alike.len() > 1);
    alike
}
