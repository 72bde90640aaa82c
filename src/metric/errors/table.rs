//! The writer's table of the entries of an error log. It also chooses the message that a new one replaces.
//!
//! A known error is found by its hash. It costs two publications of a few words (`entry`), but no allocation
//! and no system call. The least recently seen message is searched for among all of them only when a new one
//! needs its extent. At most 256 numbers are compared then, and a known error pays one store for this.

use std::cell::Cell;
use std::collections::HashMap;

use crate::format::extent::Extent;
use crate::format::slot;
use crate::metric::context::Reference;
use crate::metric::errors::entry::{BUFFERS, MOST, MessageWidth, TotalWidth, shape_of};
use crate::metric::errors::text::Texts;
use crate::metric::storage::Storage;
use crate::sync::Ordering;
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::memory::words::{Slot, Width};

/// Messages that a log may have, whatever the other logs of its file have.
const FEW: usize = 8;
/// Bytes that a message takes in the file, with the head of its record.
const MESSAGE_BYTES: usize = 2048;

/// The messages and totals of one log, and their indices by hash.
pub(in crate::metric) struct ErrorTable {
    messages: Vec<Message>,
    totals: Vec<Slot<TotalWidth>>,
    message_by_hash: HashMap<u64, usize, RandomState>,
    total_by_hash: HashMap<u64, usize, RandomState>,
    /// Whether `message_by_hash` is large enough for evictions.
    has_room: bool,
    /// How many times the file had no space for a message.
    messages_refused: u64,
    /// How many times the file had no space for a total.
    totals_refused: u64,
}

struct Message {
    slot: Slot<MessageWidth>,
    hash: u64,
    /// Index of the total that counts it, too.
    total: Option<usize>,
    /// The number of the error that was counted here last.
    seen: Cell<u64>,
    context: Cell<Reference>,
}

/// An error that is not known yet.
pub(in crate::metric) struct NewError<'a> {
    /// The hashes of the message, and of its name and place.
    pub(in crate::metric) hash: u64,
    pub(in crate::metric) total_hash: u64,
    pub(in crate::metric) texts: &'a Texts,
    pub(in crate::metric) total_texts: &'a Texts,
    pub(in crate::metric) context: Option<&'a [u8]>,
    /// The number of this error among all errors of the log.
    pub(in crate::metric) number: u64,
    pub(in crate::metric) now: u64,
}

/// Where a recorded error was counted.
#[derive(Clone, Copy, Default)]
pub(in crate::metric) struct RecordOutcome {
    /// A message counts it.
    pub(in crate::metric) by_message: bool,
    /// A total counts it.
    pub(in crate::metric) by_total: bool,
    /// Another message was dropped for it.
    pub(in crate::metric) evicted: bool,
}

impl ErrorTable {
    pub(in crate::metric) fn new() -> ErrorTable {
        ErrorTable {
            messages: Vec::new(),
            totals: Vec::new(),
            message_by_hash: HashMap::with_hasher(hashing::random_state()),
            total_by_hash: HashMap::with_hasher(hashing::random_state()),
            has_room: false,
            messages_refused: 0,
            totals_refused: 0,
        }
    }

    /// Counts a known error. Returns `None` if it is not known.
    #[inline]
    pub(in crate::metric) fn count(
        &self,
        storage: Option<&dyn Storage>,
        hash: u64,
        context: Option<&[u8]>,
        number: u64,
        now: u64,
    ) -> Option<RecordOutcome> {
        let message = &self.messages[*self.message_by_hash.get(&hash)?];
        if let (Some(context), Some(storage)) = (context, storage) {
            let contexts = storage.contexts();
            let next = contexts.keep(|extent| storage.extent(extent, &[]), context);
            contexts.release(message.context.replace(next));
        }
        message.seen.set(number);
        count(message.slot, now, message.context.get());
        if let Some(total) = message.total {
            count(self.totals[total], now, Reference::NONE);
        }
        Some(RecordOutcome {
            by_message: true,
            by_total: message.total.is_some(),
            evicted: false,
        })
    }

    /// Returns whether an error that is not known gets a backtrace. If it has to replace another message, it
    /// gets one only if its name and place are new and there may be space for their total. So a storm of
    /// messages that are all different does not take a backtrace of each.
    pub(in crate::metric) fn wants_backtrace(&self, total_hash: u64) -> bool {
        let is_full = |len: usize, refused: u64| len == MOST || refused > 0;
        !is_full(self.messages.len(), self.messages_refused)
            || !is_full(self.totals.len(), self.totals_refused)
                && !self.total_by_hash.contains_key(&total_hash)
    }

    /// Enters an error that is not known.
    pub(in crate::metric) fn enter(
        &mut self,
        storage: &dyn Storage,
        owner: u32,
        new: &NewError<'_>,
    ) -> RecordOutcome {
        // Making the texts ran the user's code, which may have recorded the same error.
        if let Some(counted) = self.count(Some(storage), new.hash, new.context, new.number, new.now)
        {
            return counted;
        }
        let total = self.enter_total(storage, owner, new);
        let (index, evicted) = match self.add_message(storage, owner) {
            Some(index) => (Some(index), false),
            None => (self.evict(storage), !self.messages.is_empty()),
        };
        if let Some(index) = index {
            let context = (new.context).map_or(Reference::NONE, |context| {
                storage
                    .contexts()
                    .keep(|extent| storage.extent(extent, &[]), context)
            });
            let message = &mut self.messages[index];
            message.hash = new.hash;
            message.total = total;
            message.seen.set(new.number);
            message.context.set(context);
            publish(message.slot, new, new.texts, context);
            self.message_by_hash.insert(new.hash, index);
        }
        RecordOutcome {
            by_message: index.is_some(),
            by_total: total.is_some(),
            evicted,
        }
    }

    /// Counts a new message under its name and place. Returns the index of the total, if there is one.
    fn enter_total(
        &mut self,
        storage: &dyn Storage,
        owner: u32,
        new: &NewError<'_>,
    ) -> Option<usize> {
        if let Some(&known) = self.total_by_hash.get(&new.total_hash) {
            count(self.totals[known], new.now, Reference::NONE);
            return Some(known);
        }
        let index = self.totals.len();
        if index == MOST {
            return None;
        }
        let extent = self.number();
        let slot = append(storage, owner, extent, &mut self.totals_refused)?;
        publish(slot, new, new.total_texts, Reference::NONE);
        self.totals.push(slot);
        self.total_by_hash.insert(new.total_hash, index);
        Some(index)
    }

    /// Adds a message, if the log may have more and the file has space. Returns its index.
    fn add_message(&mut self, storage: &dyn Storage, owner: u32) -> Option<usize> {
        let index = self.messages.len();
        if index == MOST {
            return None;
        }
        // So that a storm of errors in many logs leaves space in the file for everything else.
        let left = storage.error_bytes().get();
        if left < MESSAGE_BYTES && index >= FEW {
            self.messages_refused += 1;
            return None;
        }
        let extent = self.number();
        self.messages.push(Message {
            slot: append(storage, owner, extent, &mut self.messages_refused)?,
            hash: 0,
            total: None,
            seen: Cell::new(0),
            context: Cell::new(Reference::NONE),
        });
        storage
            .error_bytes()
            .set(left.saturating_sub(MESSAGE_BYTES));
        Some(index)
    }

    /// Forgets the message that was least recently seen, and returns its index.
    fn evict(&mut self, storage: &dyn Storage) -> Option<usize> {
        let oldest =
            (self.messages.iter().enumerate()).min_by_key(|(_, message)| message.seen.get());
        let (index, message) = oldest?;
        self.message_by_hash.remove(&message.hash);
        // A table that is asked for at most half of its capacity is rehashed in place. So it allocates at the
        // first eviction, and never again.
        let room = if self.has_room { 2 * MOST } else { 4 * MOST };
        self.message_by_hash
            .reserve(room - self.message_by_hash.len());
        self.has_room = true;
        storage.contexts().release(message.context.get());
        Some(index)
    }

    /// Gives back what the messages took, for the case that the log's group was removed.
    pub(super) fn give_back(&mut self, storage: &dyn Storage) {
        for message in self.messages.drain(..) {
            storage.contexts().release(message.context.get());
            storage.error_bytes().update(|left| left + MESSAGE_BYTES);
        }
    }

    /// Returns the number of the next extent.
    fn number(&self) -> u32 {
        (self.messages.len() + self.totals.len()) as u32
    }
}

/// Appends an extent. A full file is asked again whenever the number of refusals is a power of two.
fn append<W: Width>(
    storage: &dyn Storage,
    owner: u32,
    number: u32,
    refused: &mut u64,
) -> Option<Slot<W>> {
    let extent = Extent {
        owner,
        number,
        values: 0,
        shape: shape_of(W::WORDS),
    };
    let may_ask = *refused == 0 || refused.is_power_of_two();
    let words = may_ask.then(|| storage.extent(extent, &[])).flatten();
    if words.is_none() {
        *refused += 1;
    }
    Some(Slot::new(words?, BUFFERS))
}

/// Publishes an entry with new texts into each buffer, so that [`count`] may leave them as they are.
fn publish<W: Width>(slot: Slot<W>, new: &NewError<'_>, texts: &Texts, context: Reference) {
    let words = [1, new.now, new.now, context.0]
        .into_iter()
        .chain(texts.words())
        .chain(std::iter::repeat(0))
        .take(W::WORDS);
    for _ in 0..BUFFERS {
        slot::publish(slot.sequence(), |p| slot.buffer(p), words.clone());
    }
}

/// Publishes an entry with its count increased by one. The first time and the texts are in both buffers: see
/// "Some words only" in [`slot`].
#[inline]
fn count<W: Width>(slot: Slot<W>, now: u64, context: Reference) {
    slot::update_some(
        slot.sequence(),
        |p| slot.buffer(p),
        |before| {
            // Relaxed: this thread is the only writer.
            let count = before[0].load(Ordering::Relaxed).wrapping_add(1);
            Some([(0, count), (2, now), (3, context.0)])
        },
    );
}
