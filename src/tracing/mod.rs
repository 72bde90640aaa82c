//! A layer for [`tracing`]: events are counted, spans are timed, errors are kept, in stats files.
//!
//! ```no_run
//! use tracing_subscriber::prelude::*;
//! tracing_subscriber::registry().with(mmstats::tracing::layer()).init();
//! ```
//!
//! The model is `tracing`:
//!
//! | metric | labels | what it is |
//! |---|---|---|
//! | `events` | `level`, `target` | a counter of events |
//! | `span_busy` | `span` | a timer: how long a span was entered |
//! | `span_total` | `span` | a timer: how long it was there, from its begin to its close |
//! | `errors` | | events of the level `ERROR`, as an error log; the context is the path of the spans, `request:load` |
//!
//! A span that is entered again and again, as that of a future is at each poll, has one busy time: the sum. While two
//! threads are in it at once, the time counts once.
//!
//! An error event whose field is a `&dyn Error` is called by the type of that error; else by its target.
//!
//! What is written has a cell in each thread, as a [`SharedCounter`](crate::SharedCounter). Beyond 4000 targets or
//! spans the others count under `_other`.

mod series;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::Stopwatch;
use crate::format::labels::Labels;
use crate::shared::with;
use series::All;
use visit::{Labelled, Message};

/// The layer: see the [module](self).
pub fn layer() -> Layer {
    Layer {
        series: Arc::new(All::new()),
        labels: Arc::default(),
    }
}

/// A layer for `tracing_subscriber`, made by [`layer`].
#[derive(Clone, Debug)]
pub struct Layer {
    series: Arc<All>,
    /// Fields that become labels.
    labels: Arc<[Box<str>]>,
}

impl Layer {
    /// Has these fields of a span as labels of its times, where it has them. Each set of values is a series of its own.
    ///
    /// ```no_run
    /// # use tracing_subscriber::prelude::*;
    /// let layer = mmstats::tracing::layer().with_labels(["route"]);
    /// tracing_subscriber::registry().with(layer).init();
    /// let span = tracing::info_span!("request", route = "/index"); // span_busy{route="/index",span="request"}
    /// ```
    pub fn with_labels<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Layer {
        let fields = fields.into_iter().map(|field| field.into().into());
        self.labels = fields.collect();
        self
    }
}

/// What a span carries.
struct Timing {
    begin: Stopwatch,
    /// How often it is entered just now, and since when.
    inside: u32,
    entered: Stopwatch,
    busy: Duration,
    labels: Labels,
}

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut labels = Labels::new();
        if !self.labels.is_empty() {
            attributes.record(&mut Labelled::new(&self.labels, &mut labels));
        }
        let now = Stopwatch::start();
        span.extensions_mut().replace(Timing {
            begin: now,
            inside: 0,
            entered: now,
            busy: Duration::ZERO,
            labels,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if self.labels.is_empty() {
            return;
        }
        // The values are formatted by the program's code, which may use spans: nothing is locked meanwhile.
        let mut labels = Labels::new();
        values.record(&mut Labelled::new(&self.labels, &mut labels));
        let Some(span) = context.span(id) else { return };
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            for (key, value) in labels {
                visit::enter(&mut timing.labels, key, value);
            }
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            if timing.inside == 0 {
                timing.entered = Stopwatch::start();
            }
            timing.inside += 1;
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            timing.inside = timing.inside.saturating_sub(1);
            if timing.inside == 0 {
                timing.busy += timing.entered.elapsed();
            }
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let timing = span.extensions_mut().remove::<Timing>();
        if let Some(timing) = timing {
            let total = timing.begin.elapsed();
            self.series.span(span.name(), timing.labels, |series| {
                with(&series.busy, |timer| timer.record(timing.busy));
                with(&series.total, |timer| timer.record(total));
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        (self.series).event(*metadata.level(), metadata.target(), |series| {
            with(series, |events| events.inc());
        });
        if *metadata.level() == Level::ERROR {
            let path = path(context.event_scope(event));
            let mut message = Message::default();
            event.record(&mut message);
            let site = (metadata.file().unwrap_or(""), metadata.line().unwrap_or(0));
            message.read(event, |error, message| {
                with(&self.series.errors, |errors| {
                    errors.record_event(metadata.target(), error, message, site, &path);
                });
            });
        }
    }
}

/// The most bytes of a path that are kept: its end, where the event is.
const PATH_MOST: usize = 1024;

/// The names of the spans around an event, the outermost first, in one line.
fn path<'a, S: LookupSpan<'a>>(scope: Option<Scope<'a, S>>) -> String {
    let mut path = String::new();
    for span in scope.into_iter().flat_map(Scope::from_root) {
        if !path.is_empty() {
            path.push(':');
        }
        let character = |c: char| if c.is_control() { ' ' } else { c };
        path.extend(span.name().chars().map(character));
    }
    let mut start = path.len().saturating_sub(PATH_MOST);
    while !path.is_char_boundary(start) {
        start += 1;
    }
    path.split_off(start)
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} busy", self.busy)
    }
}
