//! The series of the layer. There is no lock, as in the recorder.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::tracing::Level;

use crate::format::labels::Labels;
use crate::shared::{Home, Number, OTHER, Shared, Spec, alone};
use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendTable;
use crate::sys::memory::hashing::{self, RandomState};
use crate::writer::valid_label;
use crate::{Counter, Errors, Timer, Writer};

/// The model's name.
const MODEL: &str = "tracing";

/// The most series of events, and the most of spans.
const MOST: usize = 4000;

/// A metric with a cell in each thread.
pub struct Series<C> {
    home: &'static Home,
    number: Number<C>,
    kind: &'static str,
    metric: &'static str,
    help: &'static str,
    labels: Labels,
    /// The labels that it counts under if there are too many series, or no space.
    other: Labels,
}

impl<C> Series<C> {
    fn new(
        home: &'static Home,
        kind: &'static str,
        (metric, help): (&'static str, &'static str),
        labels: Labels,
        other: Labels,
    ) -> Series<C> {
        let number = Number::new(MODEL);
        Series {
            home,
            number,
            kind,
            metric,
            help,
            labels,
            other,
        }
    }
}

impl<C> Shared<C> for Series<C> {
    #[inline(always)]
    fn known_number(&self) -> Number<C> {
        self.number
    }

    fn number(&self) -> Number<C> {
        self.number
    }

    fn spec(&self) -> Spec {
        Spec {
            home: self.home,
            kind: self.kind,
            metric: self.metric.to_owned(),
            unit: String::new(),
            help: self.help.to_owned(),
            labels: self.labels.clone(),
            other: self.other.clone(),
        }
    }
}

/// Events of a level and a target.
struct Events {
    level: Level,
    target: String,
    count: Series<Counter>,
}

/// Spans of a name and some labels.
pub struct Spans {
    name: String,
    labels: Labels,
    pub busy: Series<Timer>,
    pub total: Series<Timer>,
}

/// All series of the layer.
pub struct All {
    home: &'static Home,
    hasher: RandomState,
    events: AppendTable<Events>,
    events_made: AtomicUsize,
    spans: AppendTable<Spans>,
    spans_made: AtomicUsize,
    pub errors: Series<Errors>,
}

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("All").finish_non_exhaustive()
    }
}

impl All {
    /// Returns a set without events and spans.
    pub fn new() -> All {
        let home = Home::own(Writer::builder(MODEL), None, None);
        All {
            home,
            hasher: hashing::random_state(),
            events: AppendTable::new(),
            events_made: AtomicUsize::new(0),
            spans: AppendTable::new(),
            spans_made: AtomicUsize::new(0),
            errors: Series::new(
                home,
                "errors",
                ("errors", "Events of the level ERROR."),
                Labels::new(),
                Labels::new(),
            ),
        }
    }

    /// Runs `count` with the series of a level and target. It is not run while this thread is making a metric.
    pub fn event(&self, level: Level, target: &str, count: impl FnOnce(&Series<Counter>)) {
        let known = self.find_event(level, target);
        let found = match known {
            Some(known) => Some(known),
            None => self.new_event(level, target),
        };
        if let Some(found) = found {
            count(&found.count);
        }
    }

    fn event_hash(&self, level: Level, target: &str) -> u64 {
        self.hasher.hash_one((level, target))
    }

    fn find_event(&self, level: Level, target: &str) -> Option<&Events> {
        let is = |events: &Events| events.level == level && events.target == target;
        self.events.find(self.event_hash(level, target), is)
    }

    #[cold]
    fn new_event(&self, level: Level, target: &str) -> Option<&Events> {
        let (found, is_other) = alone(|| {
            let is_other = !take(&self.events_made);
            let target = if is_other { OTHER } else { target };
            let is = |events: &Events| events.level == level && events.target == target;
            let labels = |target: &str| {
                vec![
                    ("level".to_owned(), level.as_str().to_owned()),
                    ("target".to_owned(), valid_label("target", target).1),
                ]
            };
            let texts = ("events", "Events, by level and target.");
            let new = Events {
                level,
                target: target.to_owned(),
                count: Series::new(self.home, "counter", texts, labels(target), labels(OTHER)),
            };
            let hash = self.event_hash(level, target);
            (self.events.find_or_push(hash, is, new), is_other)
        })?;
        report_others(is_other);
        Some(found)
    }

    /// Runs `record` with the series of a span, as [`event`](Self::event) does.
    pub fn span(&self, name: &str, labels: Labels, record: impl FnOnce(&Spans)) {
        let found = match self.find_span(name, &labels) {
            Some(known) => Some(known),
            None => self.new_span(name, labels),
        };
        if let Some(found) = found {
            record(found);
        }
    }

    fn span_hash(&self, name: &str, labels: &Labels) -> u64 {
        self.hasher.hash_one((name, labels))
    }

    fn find_span(&self, name: &str, labels: &Labels) -> Option<&Spans> {
        let is = |spans: &Spans| spans.name == name && spans.labels == *labels;
        self.spans.find(self.span_hash(name, labels), is)
    }

    #[cold]
    fn new_span(&self, name: &str, mut labels: Labels) -> Option<&Spans> {
        let (found, is_other) = alone(|| {
            let is_other = !take(&self.spans_made);
            let name = if is_other { OTHER } else { name };
            if is_other {
                labels.clear();
            }
            let is = |spans: &Spans| spans.name == name && spans.labels == labels;
            let hash = self.span_hash(name, &labels);
            if let Some(known) = self.spans.find(hash, is) {
                return (known, is_other);
            }
            let mut all = labels.clone();
            all.retain(|(key, _)| key != "span");
            all.push(("span".to_owned(), valid_label("span", name).1));
            let other = vec![("span".to_owned(), OTHER.to_owned())];
            let timer = |texts| Series::new(self.home, "timer", texts, all.clone(), other.clone());
            let new = Spans {
                name: name.to_owned(),
                labels: labels.clone(),
                busy: timer(("span_busy", "How long spans were entered.")),
                total: timer((
                    "span_total",
                    "How long spans existed, from creation to close.",
                )),
            };
            (self.spans.find_or_push(hash, is, new), is_other)
        })?;
        report_others(is_other);
        Some(found)
    }
}

/// Takes one of `MOST`, if one is left.
fn take(made: &AtomicUsize) -> bool {
    // Relaxed: nothing depends on it but the number itself.
    made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
        (made < MOST).then_some(made + 1)
    })
    .is_ok()
}

fn report_others(is_other: bool) {
    if is_other {
        let text = format_args!(
            "the limit of {MOST} series is reached; further ones count under {OTHER:?}"
        );
        report::once(MODEL, "series", &text);
    } else {
        report::tell_all();
    }
}
