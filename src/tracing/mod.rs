//! A layer for [`tracing`] that counts events, times spans and keeps errors, in stats files.
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
//! | `span_total` | `span` | a timer: how long it existed, from its creation to its close |
//! | `errors` | | events of the level `ERROR`, as an error log; the context is the path of the spans, `request:load` |
//!
//! A span that is entered repeatedly, like that of a future at each poll, has one busy time: the sum. While two threads
//! are in it at once, the time counts once.
//!
//! An error event with a `&dyn Error` as a field is named after the type of that error; otherwise after its target.
//!
//! Each metric has a cell in each thread, like a [`SharedCounter`](crate::SharedCounter). Beyond 4000 series of events,
//! or of spans, further ones count under `_other`. So do those for which the file has no space (`MMSTATS_MAX_SIZE`).

mod series;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::tracing::dispatcher::get_default;
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::Stopwatch;
use crate::format::labels::Labels;
use crate::shared::with;
use series::LayerSeries;
use visit::{FieldsAsLabels, Message};

/// Returns the layer: see the [module](self).
///
/// ```no_run
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(mmstats::tracing::layer()).init();
/// tracing::info!("counted");
/// ```
pub fn layer() -> Layer {
    Layer {
        series: Arc::new(LayerSeries::new()),
        labels: Arc::default(),
        trace: None,
    }
}

/// A layer for `tracing_subscriber`, made by [`layer`].
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded before it is part of a subscriber"]
pub struct Layer {
    series: Arc<LayerSeries>,
    /// Fields that become labels.
    labels: Arc<[Box<str>]>,
    /// Returns the id of the trace that a span belongs to.
    trace: Option<ReadTrace>,
}

/// Returns the id of the trace that a span belongs to.
type ReadTrace = fn(&Id, &Dispatch) -> Option<String>;

impl Layer {
    /// Makes these fields of a span labels of its times, where the span has them. Each set of values is a series of its
    /// own.
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

    /// Keeps the ids of traces with the times of spans, as their exemplars (see
    /// [`Timer::record_with`](crate::Timer::record_with)). With the crate tracing-opentelemetry:
    ///
    /// ```ignore
    /// use opentelemetry::trace::TraceContextExt;
    /// use tracing_opentelemetry::get_otel_context;
    ///
    /// let layer = mmstats::tracing::layer().with_trace_id(|span, dispatch| {
    ///     let context = get_otel_context(span, dispatch)?;
    ///     Some(context.span().span_context().trace_id().to_string())
    /// });
    /// ```
    ///
    /// The function is called once for each span, when the span is exited for the first time.
    pub fn with_trace_id(mut self, read: fn(&Id, &Dispatch) -> Option<String>) -> Layer {
        self.trace = Some(read);
        self
    }
}

/// What the layer stores in a span.
struct Timing {
    begin: Stopwatch,
    /// How often it is entered at the moment, and since when.
    inside: u32,
    entered: Stopwatch,
    busy: Duration,
    labels: Labels,
    /// The id of its trace, once the function has been asked for it.
    trace: Option<Option<String>>,
}

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut labels = Labels::new();
        if !self.labels.is_empty() {
            attributes.record(&mut FieldsAsLabels::new(&self.labels, &mut labels));
        }
        let now = Stopwatch::start();
        span.extensions_mut().replace(Timing {
            begin: now,
            inside: 0,
            entered: now,
            busy: Duration::ZERO,
            labels,
            trace: None,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if self.labels.is_empty() {
            return;
        }
        // The program's code formats the values, and may use spans: nothing is locked meanwhile.
        let mut labels = Labels::new();
        values.record(&mut FieldsAsLabels::new(&self.labels, &mut labels));
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
        let mut is_asked = false;
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            timing.inside = timing.inside.saturating_sub(1);
            if timing.inside == 0 {
                timing.busy += timing.entered.elapsed();
            }
            is_asked = timing.trace.is_none();
        }
        // Not on close: by then the layer that knows the id has forgotten it. The extensions are not locked meanwhile.
        if let Some(read) = self.trace.filter(|_| is_asked) {
            let trace = get_default(|dispatch| read(id, dispatch));
            if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
                timing.trace = Some(trace);
            }
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let timing = span.extensions_mut().remove::<Timing>();
        let Some(timing) = timing else { return };
        let total = timing.begin.elapsed();
        let trace = timing.trace.flatten();
        self.series.span(span.name(), timing.labels, |series| {
            for (timer, time) in [(&series.busy, timing.busy), (&series.total, total)] {
                with(timer, |timer| match &trace {
                    Some(trace) => timer.record_with(time, trace),
                    None => timer.record(time),
                });
            }
        });
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

/// The most bytes of a path that are kept: those at its end, where the event is.
const PATH_MOST: usize = 1024;

/// Returns the names of the spans around an event, the outermost first, in one line.
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
