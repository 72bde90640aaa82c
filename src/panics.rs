//! A panic hook that leaves the panic's message in a stats file.

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

/// The model that panics are written to.
pub(crate) const MODEL: &str = "panics";

/// How many bytes of a message are kept.
const MOST: usize = 2048;

/// The panics of this process: one file, made at the first panic.
struct Panics {
    errors: Errors,
    message: Text<MOST>,
    time: Gauge<f64>,
}

const ERRORS: Options<'_> = Options::NONE.help("Distinct panics, caught ones included.");
const MESSAGE: Options<'_> = Options::NONE.help("What the last panic said, and where.");
const TIME: Options<'_> = Options::NONE.help("When that was, in seconds since 1970.");

// SAFETY: as in the derive's code, every field is made by `Field::bind`, in the order in which it is described;
// nothing else is kept.
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

/// The file of this process, with the generation that made it, to detect forks. Any thread may panic.
static PANICS: Mutex<Option<(u64, Stats<Panics>)>> = Mutex::new(None);

/// Installs a hook that writes panics to a stats file (of the model `panics`) and then calls the previous hook.
/// `mmstats autopsy` then tells how a process ended, and `mmstats errors` lists its panics.
///
/// If a panic of the main thread ends the process, all its files are kept for inspection, whatever `MMSTATS_KEEP`
/// says; otherwise the file is removed with the others. The first panic makes a file; each later one costs a few
/// stores. Call it once, at the start of the program and after any other hook is set.
///
/// ```no_run
/// // The first thing that `main` does:
/// mmstats::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    // Their exit handler must run after the one that notes the status.
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
        // Two panics at once, or a fork while the lock was held: one message is enough, and none is worth waiting
        // for.
        Err(TryLockError::WouldBlock) => return,
    };
    let generation = fork::generation();
    if panics.as_ref().is_none_or(|(of, _)| *of != generation) {
        // The parent's file is not dropped: that would take the allocator's locks in a child.
        std::mem::forget(panics.take());
        *panics = Panics::create().ok().map(|stats| (generation, stats));
    }
    // Without a file, only the previous hook reports the panic.
    if let Some((_, panics)) = &*panics {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| Some(payload.downcast_ref::<String>()?));
        let panic = Panic(text.unwrap_or("Box<dyn Any>").to_owned());
        // According to the standard library there always is one.
        if let Some(at) = info.location() {
            panics.errors.record_at(&panic, at);
        }
        panics.message.set(&message(info, &panic));
        panics.time.set(clock::unix_nanos() as f64 / 1e9);
    }
}

/// A panic as an error, with the panic's message.
#[derive(Debug)]
struct Panic(String);

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Panic {}

/// Formats the message as the standard hook does.
fn message(info: &PanicHookInfo<'_>, panic: &Panic) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let at = info
        .location()
        .map_or(String::new(), |at| format!(" at {at}"));
    format!("thread '{name}' panicked{at}: {panic}")
}
