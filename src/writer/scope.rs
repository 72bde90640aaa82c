//! Scopes of statistics by name. What a scope records stays recorded, and an error or panic that leaves it is
//! recorded, too.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use super::by_name::{LABEL, StatsByLabel};
use super::groups::Pairs;
use super::model::MmStats;
use super::names;
use crate::format::labels::Labels;
use crate::metric::timer::Stopwatch;

/// Runs `f` with a handle to record statistics by name.
///
/// What it records is visible at once, even if `f` fails later. The error that `f` returns, or its panic, is
/// recorded under `errors__all` and `errors__EXC:<type>` (the type of a panic is `Panic`).
///
/// ```no_run
/// # fn fetch(url: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # let urls = ["a", "b"];
/// mmstats::push_stat("file:large.csv", 1.42); // anywhere, any thread
/// mmstats::stats(|stat| {
///     let mut laps = mmstats::laps();
///     for url in urls {
///         fetch(url)?;
///         stat.record(url, laps.lap());
///     }
///     stat.record("url-downloader", laps.total()).context("nightly");
///     Ok(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns the error of `f`.
#[track_caller]
pub fn stats<R>(f: impl FnOnce(&Scope) -> Result<R, Box<dyn Error>>) -> Result<R, Box<dyn Error>> {
    let site = Location::caller();
    match catch_unwind(AssertUnwindSafe(|| f(&Scope::default()))) {
        Ok(result) => result.inspect_err(|error| record_boxed(&**error, site)),
        Err(panic) => pass_on(panic, site),
    }
}

/// Like [`stats`], for a scope that spans `.await`. Its handle and the error are `Send`, because the future may have
/// to be.
///
/// ```no_run
/// # async fn fetch(url: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # async fn all() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// mmstats::stats_async(async |stat| {
///     let mut laps = mmstats::laps();
///     fetch("a").await?;
///     stat.record("a", laps.lap());
///     Ok(())
/// })
/// .await
/// # }
/// ```
///
/// A single [`push_stat`](crate::push_stat) never waits, so it has no async form.
///
/// # Errors
/// Returns the error of `f`.
#[track_caller]
pub fn stats_async<R>(
    f: impl AsyncFnOnce(Scope) -> Result<R, Box<dyn Error + Send + Sync>>,
) -> impl Future<Output = Result<R, Box<dyn Error + Send + Sync>>> {
    let site = Location::caller();
    async move {
        let mut scope = pin!(f(Scope::default()));
        let ended = poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| scope.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        });
        match ended.await {
            Ok(result) => result.inspect_err(|error| record_boxed(&**error, site)),
            Err(panic) => pass_on(panic, site),
        }
    }
}

fn record<E: Error + ?Sized>(error: &E, site: &Location<'_>) {
    StatsByLabel::local(|stats| stats.errors.record_at(error, site));
}

fn record_boxed(error: &(dyn Error + 'static), site: &Location<'_>) {
    StatsByLabel::local(|stats| stats.errors.record_boxed(error, site));
}

/// Records a panic and resumes it.
fn pass_on(panic: Box<dyn Any + Send>, site: &Location<'_>) -> ! {
    let text = (panic.downcast_ref::<&str>().copied())
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    record(&Panic(text.unwrap_or("")), site);
    resume_unwind(panic)
}

/// A panic's message.
#[derive(Debug)]
struct Panic<'a>(&'a str);

impl fmt::Display for Panic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Panic<'_> {}

/// A handle to record statistics by name, in a scope of [`stats`] or [`stats_async`].
///
/// It can be cloned and sent, and is not bound to a thread: each value goes into the file of the thread that
/// records it.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The labels that every statistic has beside its own, sorted by key.
    more: Labels,
    /// The index at which the label itself stands among them, by its key.
    at: usize,
}

impl Scope {
    /// Records a value under a label, as [`push_stat`](crate::push_stat) does. The returned [`Measurement`] can be
    /// given a context. Without one, the value is recorded when it is dropped, that is, at once.
    ///
    /// ```no_run
    /// mmstats::stats(|stat| {
    ///     stat.record("task", 1.5);
    ///     stat.record("task", 2.5).context("nightly");
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record<'a>(&'a self, label: &'a str, value: f64) -> Measurement<'a> {
        Measurement {
            stat: self,
            label,
            value,
            context: None,
        }
    }

    /// Records an error that does not leave the scope, under `errors__*`.
    ///
    /// ```no_run
    /// mmstats::stats(|stat| {
    ///     if let Err(error) = "x".parse::<u8>() {
    ///         stat.error(&error); // and goes on
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn error<E: Error + ?Sized>(&self, error: &E) {
        record(error, Location::caller());
    }

    /// Returns a handle whose statistics have these labels, too. What is recorded under `task` is then
    /// `{host="nl-ams",label="task"}`, and its history is `history{host="nl-ams",label="task"}`. If a key is given
    /// twice, the later value is used.
    ///
    /// ```no_run
    /// # let work = || 1.5;
    /// mmstats::stats(|stat| {
    ///     let stat = stat.with(&[("host", "nl-ams")]);
    ///     stat.record("task", work());
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Characters that are invalid in a label (see [`MmLabels`](crate::MmLabels)) become `_`, and texts that are too
    /// long are cut. The key `label` is that of the label itself, so it becomes `exported_label`.
    #[must_use]
    pub fn with(&self, labels: &[(&str, &str)]) -> Scope {
        let mut more = self.more.clone();
        for (key, value) in labels {
            let (key, value) = names::valid_label(key, value);
            let key = match key.as_str() {
                LABEL => format!("exported_{LABEL}"),
                _ => key,
            };
            match more.binary_search_by(|(known, _)| known.cmp(&key)) {
                Ok(index) => more[index].1 = value,
                Err(index) => more.insert(index, (key, value)),
            }
        }
        let at = more.partition_point(|(key, _)| key.as_str() < LABEL);
        Scope { more, at }
    }
}

/// The labels of a statistic: its own and those of its handle.
struct AllLabels<'a> {
    stat: &'a Scope,
    label: &'a str,
}

impl Pairs for AllLabels<'_> {
    fn len(&self) -> usize {
        self.stat.more.len() + 1
    }

    fn pair(&self, index: usize) -> (&str, &str) {
        let Scope { more, at } = self.stat;
        if index == *at {
            return (LABEL, self.label);
        }
        let (key, value) = &more[index - usize::from(index > *at)];
        (key, value)
    }
}

/// A value of [`Scope::record`]. It is recorded when it is dropped, with its context if it was given one.
#[derive(Debug)]
pub struct Measurement<'a> {
    stat: &'a Scope,
    label: &'a str,
    value: f64,
    context: Option<&'a [u8]>,
}

impl<'a> Measurement<'a> {
    /// Adds a context: a text that says where the value comes from, or any bytes. It is stored once in the thread's
    /// file, however many values have it.
    ///
    /// ```no_run
    /// mmstats::stats(|stat| {
    ///     stat.record("task", 1.5).context("file:large.csv");
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn context(mut self, context: &'a (impl AsRef<[u8]> + ?Sized)) {
        self.context = Some(context.as_ref());
    }
}

impl Drop for Measurement<'_> {
    fn drop(&mut self) {
        let Measurement {
            stat,
            label,
            value,
            context,
        } = *self;
        StatsByLabel::local(|stats| {
            let named = if stat.more.is_empty() {
                stats.named.group(label)
            } else {
                stats.named.group_of(&AllLabels { stat, label })
            };
            named.record_with(value, context);
        });
    }
}

/// Starts measuring laps: the time of each part, and the total.
///
/// ```
/// let mut laps = mmstats::laps();
/// let (first, second) = (laps.lap(), laps.lap());
/// assert!(laps.total() >= first + second);
/// ```
pub fn laps() -> Laps {
    let now = Stopwatch::start();
    Laps {
        start: now,
        lap: now,
    }
}

/// A stopwatch for laps, in seconds.
///
/// It can be copied, sent and kept across `.await`.
#[derive(Clone, Copy, Debug)]
pub struct Laps {
    start: Stopwatch,
    lap: Stopwatch,
}

impl Laps {
    /// Returns the seconds since the last lap (or the start), and begins the next one.
    ///
    /// ```
    /// let mut laps = mmstats::laps();
    /// let (first, second) = (laps.lap(), laps.lap());
    /// assert!(first + second <= laps.total());
    /// ```
    pub fn lap(&mut self) -> f64 {
        // One reading of the clock, so that nothing is lost between two laps.
        let end = Stopwatch::start();
        let lap = end.since(std::mem::replace(&mut self.lap, end));
        lap.as_secs_f64()
    }

    /// Returns the seconds since the start.
    ///
    /// ```
    /// let laps = mmstats::laps();
    /// assert!(laps.total() < 60.0); // seconds
    /// ```
    pub fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
