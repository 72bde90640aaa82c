//! The compiler's message where a handle would be used on another thread.
//!
//! A handle consists of cells and pointers, so it is never `Sync`. The compiler would report each of them:
//! `Cell<usize>`, `NonNull<AtomicU64>`, `Rc<dyn Storage>`. The macro gives the reason instead, in one message.

/// A handle belongs to one thread: no other thread may write its file.
pub struct StatsOfOneThread;

/// Implemented for no type.
#[diagnostic::on_unimplemented(
    message = "statistics of one thread cannot be used on another one: each thread writes a file of its own",
    label = "would use them on another thread",
    note = "on the other thread, call `local` of the model there, or move a whole `Stats` to it",
    note = "across `.await`, keep a `Stopwatch`, which can be sent, and record its time in `local`"
)]
pub trait UsedOnAnyThread {}

/// Keeps a type from being `Sync`, with the message of [`UsedOnAnyThread`].
macro_rules! of_one_thread {
    ($type:ty $(, $($generics:tt)*)?) => {
        // SAFETY: the type is never `Sync`, because the bound never holds: only this crate could implement
        // `UsedOnAnyThread` for `StatsOfOneThread`, and it does not.
        unsafe impl $(<$($generics)*>)? Sync for $type
        where
            for<'never> $crate::metric::one_thread::StatsOfOneThread:
                $crate::metric::one_thread::UsedOnAnyThread,
        {
        }
    };
}
pub(crate) use of_one_thread;
