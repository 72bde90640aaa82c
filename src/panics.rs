//! The last words of a process: a panic hook that leaves its message in a stats file.

use std::error::Error;
use std::fmt;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, TryLockError};
use std::thread;

use crate::metric::field::{Binder, Describe, Field, FieldTraits, Options};
use crate::sys::lifecycle::{ending, handlers};
use crate::sys::process::clock;
use crate::sys::process::fork;
use crate::writer::LocalCell;
use crate::{Errors, Gauge, MmStats, Stats, Text};

/// The model that a panic is written to.
pub(crate) const MODEL: &str = "panics";

/// Bytes of a message that are kept.
const MOST: usize = 2048;

/// The panics of this process. One file, made at the first.
struct Panics {
    errors: Errors,
    message: Text<MOST>,
    time: Gauge<f64>,
}

const ERRORS: Options<'_> = Options::NONE.help("Distinct panics, caught ones included.");
const MESSAGE: Options<'_> = Options::NONE.help("What the last panic said, and where.");
const TIME: Options<'_> = Options::NONE.help("When that was, in seconds since 1970.");

// SAFETY: as the derive does it: every field is made by `Field::bind`, in the order in which it is
// described; nothing else is kept.
unsafe impl MmStats for Panics {
    const NAME: &'static str = MODEL;
    const HELP: &'static str = "Panics of the process.";
    const TRAITS: FieldTraits = |_, _| ();

    fn has_groups() -> bool {
        false
    }

    fn describe_fields(describe: &mut Describe) {
        Errors::describe(describe, "errors", ERRORS);
        Text::<MOST>::describe(describe, "message", MESSAGE);
        Gauge::<f64>::describe(describe, "time", TIME);
    }

    fn prepare_fields() -> impl FnOnce(&mut Binder<'_>) -> Panics {
        |binder| Panics {
            errors: Errors::bind(binder, "errors", ERRORS),
            message: Text::bind(binder, "message", MESSAGE),
            time: Gauge::bind(binder, "time", TIME),
        }
    }

    fn with_local<R>(run: impl FnOnce(&LocalCell<Panics>) -> R) -> R {
        thread_local! {
            static CELL: LocalCell<Panics> = const { LocalCell::new() };
        }
        CELL.with(run)
    }
}

/// The file of this process, and of which one in forks. Any thread may panic.
static PANICS: Mutex<Option<(u64, Stats<Panics>)>> = Mutex::new(None);

/// Has panics written to a stats file (of the model `panics`), so that `mmstats autopsy` can tell how a
/// process ended, and `mmstats errors` what panics there were; then calls the hook that was there before.
///
/// If the main thread panics and that ends the process, all its files stay to be looked at, whatever
/// `MMSTATS_KEEP` says; else the file goes with the others. A panic costs the making of a file, the
/// first time, or a few stores. Call it once, at the start of the program and after any other hook was
/// set.
///
/// ```no_run
/// // The first thing that `main` does:
/// mmstats::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    // Their exit handler is to come after the one that notes the status.
    handlers::register();
    ending::watch_status();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        record(info);
        previous(info);
    }));
}

fn record(info: &PanicHookInfo<'_>) {
    ending::note_panic();
    let mut panics = match PANICS.try_lock() {
        Ok(panics) => panics,
        Err(TryLockError::Poisoned(panics)) => panics.into_inner(),
        // Two at once, or a fork that has caught the lock: one message is enough, and none is worth
        // waiting for.
        Err(TryLockError::WouldBlock) => return,
    };
    let generation = fork::generation();
    if panics.as_ref().is_none_or(|(of, _)| *of != generation) {
        // A parent's is not dropped: that would take the allocator's locks in a child.
        std::mem::forget(panics.take());
        *panics = Panics::create().ok().map(|stats| (generation, stats));
    }
    // Without a file the previous hook's words have to do.
    if let Some((_, panics)) = &*panics {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| Some(payload.downcast_ref::<String>()?));
        let panic = Panic(text.unwrap_or("Box<dyn Any>").to_owned());
        // There always is one, says the standard library.
        if let Some(at) = info.location() {
            panics.errors.record_at(&panic, at);
        }
        panics.message.set(&message(info, &panic));
        panics.time.set(clock::unix_nanos() as f64 / 1e9);
    }
}

/// A panic as an error, by what it says.
#[derive(Debug)]
struct Panic(String);

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Panic {}

/// As the standard hook puts it.
fn message(info: &PanicHookInfo<'_>, panic: &Panic) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let at = info
        .location()
        .map_or(String::new(), |at| format!(" at {at}"));
    format!("thread '{name}' panicked{at}: {panic}")
}
