//! The materialised state: a store that may lag, an overlay of blocks not yet in it, and the thread that moves them.
//!
//! Invariants: the store is at exactly one height, written in the same atomic batch as the content, and never above
//! the block log; a reader sees the overlay first, so it sees the newest applied height whole. Whatever is lost here
//! is rebuilt from the block log.
//!
//! ```text
//!   apply(h) ─► overlay: front ─┐ swap ┌─► flushing ─► StateStore::apply(tip of the swap)
//!   get, scan ◄── front, then flushing, then store
//! ```

mod backend;
mod fjall_store;
mod overlay;
mod read;
mod sled_store;
mod store;

pub use backend::{Backend, wipe};
pub use fjall_store::FjallStore;
pub use read::ExecutionState;
pub use sled_store::{DEFAULT_CACHE_BYTES, SledStore};
pub use store::{Changes, Entry, Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, MemStore, StateStore, check_changes};

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Table;
use crate::error::StorageError;
use overlay::Overlay;

/// When the overlay is written and how large it may grow.
#[derive(Debug, Clone, Copy)]
pub struct StateOptions {
    /// [`State::apply`] waits while the overlay holds more bytes than this.
    pub overlay_bytes: usize,
    /// The overlay is written once it holds so many bytes …
    pub flush_bytes: usize,
    /// … or once its oldest change is this old.
    pub flush_interval: Duration,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { overlay_bytes: 128 << 20, flush_bytes: 32 << 20, flush_interval: Duration::from_secs(5) }
    }
}

/// A write to an index table, beside the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexChange {
    /// Key in the store, which has one ordered map for all tables.
    key: Key,
    value: Option<Vec<u8>>,
}

impl IndexChange {
    /// `key` of `table` gets a new value, or `None` deletes it.
    pub fn new(table: Table, key: &[u8], value: Option<Vec<u8>>) -> Self {
        IndexChange { key: table.key(key), value }
    }
}

#[derive(Default)]
struct Control {
    /// Bytes of both halves of the overlay.
    bytes: usize,
    /// Bytes of the half that is not being written.
    front_bytes: usize,
    tip: Option<u64>,
    flushed: Option<u64>,
    /// When the oldest change that is not being written was applied.
    dirty_since: Option<Instant>,
    checkpoints_wanted: u64,
    checkpoints_done: u64,
    closing: Option<Closing>,
    stopped: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Write everything, make it durable, end.
    Clean,
    /// End; what is in memory is lost, as in a crash.
    Abandon,
}

struct Shared {
    store: Arc<dyn StateStore>,
    options: StateOptions,
    overlay: RwLock<Overlay>,
    control: Mutex<Control>,
    /// Wakes the writing thread.
    work: Condvar,
    /// Wakes whoever waits for it.
    done: Condvar,
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped(cause: &str) -> StorageError {
    StorageError::Stopped { cause: cause.to_owned() }
}

/// The one writer of the state.
pub struct State {
    reader: StateReader,
    thread: Option<JoinHandle<()>>,
}

impl State {
    /// Starts on a store, at the store's height.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn start(store: Arc<dyn StateStore>, options: StateOptions) -> Result<Self, StorageError> {
        let height = store.height();
        let shared = Arc::new(Shared {
            store,
            options,
            overlay: RwLock::new(Overlay::at(height)),
            control: Mutex::new(Control { tip: height, flushed: height, ..Control::default() }),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(&shared)
            })
            .map_err(|source| StorageError::io("start", "the state writer thread", source))?;
        Ok(Self { reader: StateReader { shared }, thread: Some(thread) })
    }

    /// Makes the effects of one height visible, all at once. Heights are contiguous; an empty state accepts any first
    /// one. Waits while the overlay is above its bound.
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] and [`StorageError::TooLarge`] change nothing; [`StorageError::Stopped`] follows
    /// a failure of the store.
    pub fn apply<K: AsRef<[u8]>>(
        &mut self,
        height: u64,
        changes: impl IntoIterator<Item = (K, Option<Vec<u8>>)>,
        index: Vec<IndexChange>,
    ) -> Result<(), StorageError> {
        let shared = &self.reader.shared;
        let changes = changes.into_iter().map(|(key, value)| (Table::State.key(key.as_ref()), value));
        let index = index.into_iter().map(|change| (change.key, change.value));
        let batch: Vec<_> = changes.chain(index).collect();
        check_changes(batch.iter().map(|(key, value)| (key, value)))?;
        let mut control = shared.control();
        if let Some(tip) = control.tip
            && height != tip.saturating_add(1)
        {
            return Err(StorageError::OutOfOrder { what: "height", expected: tip.saturating_add(1), got: height });
        }
        while control.stopped.is_none() && control.bytes > shared.options.overlay_bytes {
            shared.work.notify_one();
            control = shared.done.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(cause) = &control.stopped {
            return Err(stopped(cause));
        }

        // Nothing is refused below. Both locks are held, in the same order as in `flush`, so that the counters always
        // tell what the overlay holds.
        let mut overlay = shared.overlay.write().unwrap_or_else(PoisonError::into_inner);
        overlay.insert(height, batch);
        control.tip = Some(height);
        control.bytes = overlay.bytes();
        control.front_bytes = overlay.front_bytes();
        drop(overlay);
        if control.dirty_since.is_none() {
            control.dirty_since = Some(Instant::now());
            shared.work.notify_one();
        } else if control.front_bytes >= shared.options.flush_bytes {
            shared.work.notify_one();
        }
        Ok(())
    }

    /// Writes everything applied so far into the store, makes the store's files durable and returns the height.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] when the store failed.
    pub fn checkpoint(&self) -> Result<Option<u64>, StorageError> {
        let shared = &self.reader.shared;
        let mut control = shared.control();
        control.checkpoints_wanted += 1;
        let ticket = control.checkpoints_wanted;
        shared.work.notify_one();
        while control.checkpoints_done < ticket {
            if let Some(cause) = &control.stopped {
                return Err(stopped(cause));
            }
            control = shared.done.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(control.flushed)
    }

    /// Height of the store: after a process crash the state continues at most here; after a power loss, at the
    /// last checkpoint.
    pub fn flushed_height(&self) -> Option<u64> {
        self.reader.shared.control().flushed
    }

    /// Height applied last.
    pub fn height(&self) -> Option<u64> {
        self.reader.shared.control().tip
    }

    /// A handle for other threads.
    pub fn reader(&self) -> StateReader {
        self.reader.clone()
    }

    /// Checkpoints and ends the thread. Dropping the value instead forgets what is not in the store.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] when the store failed.
    pub fn close(mut self) -> Result<Option<u64>, StorageError> {
        self.end(Closing::Clean);
        let control = self.reader.shared.control();
        match &control.stopped {
            Some(cause) => Err(stopped(cause)),
            None => Ok(control.flushed),
        }
    }

    fn end(&mut self, how: Closing) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.reader.shared.control().closing = Some(how);
        self.reader.shared.work.notify_one();
        if thread.join().is_err() {
            self.reader.shared.control().stopped = Some("the state writer panicked".to_owned());
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.end(Closing::Abandon);
    }
}

/// What the writing thread was woken for.
struct Work {
    flush: bool,
    /// Checkpoint requests to answer, by the number of the last one.
    checkpoint: Option<u64>,
    end: bool,
}

/// Waits until there is something to do.
fn next_work(shared: &Shared) -> Work {
    let mut control = shared.control();
    loop {
        let dirty = control.tip != control.flushed;
        let checkpoint = (control.checkpoints_wanted > control.checkpoints_done).then_some(control.checkpoints_wanted);
        match control.closing {
            Some(Closing::Abandon) => {
                return Work { flush: false, checkpoint: None, end: true };
            }
            Some(Closing::Clean) => {
                return Work { flush: dirty, checkpoint: Some(control.checkpoints_wanted), end: true };
            }
            None => {}
        }
        let age = control.dirty_since.map(|since| since.elapsed());
        let due = dirty
            && (control.front_bytes >= shared.options.flush_bytes
                || control.bytes > shared.options.overlay_bytes
                || age.is_some_and(|age| age >= shared.options.flush_interval));
        if due || checkpoint.is_some() {
            return Work { flush: dirty, checkpoint, end: false };
        }
        control = match age.filter(|_| dirty) {
            None => shared.work.wait(control).unwrap_or_else(PoisonError::into_inner),
            Some(age) => {
                let rest = shared.options.flush_interval.saturating_sub(age);
                shared.work.wait_timeout(control, rest).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn run(shared: &Shared) {
    loop {
        let work = next_work(shared);
        let result = flush(shared, work.flush).and_then(|()| match work.checkpoint {
            Some(_) => shared.store.checkpoint(),
            None => Ok(()),
        });
        let mut control = shared.control();
        match result {
            Ok(()) => {
                if let Some(ticket) = work.checkpoint {
                    control.checkpoints_done = ticket;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the state writer stops");
                control.stopped = Some(error.to_string());
            }
        }
        let end = work.end || control.stopped.is_some();
        drop(control);
        shared.done.notify_all();
        if end {
            return;
        }
    }
}

/// Moves the overlay into the store as one batch at the height applied last.
fn flush(shared: &Shared, wanted: bool) -> Result<(), StorageError> {
    if !wanted {
        return Ok(());
    }
    let (height, batch) = {
        let mut control = shared.control();
        let mut overlay = shared.overlay.write().unwrap_or_else(PoisonError::into_inner);
        let Some(height) = overlay.height() else {
            return Ok(());
        };
        let batch = overlay.begin_flush();
        control.front_bytes = 0;
        control.dirty_since = None;
        (height, batch)
    };
    shared.store.apply(height, &batch)?;
    let mut control = shared.control();
    let mut overlay = shared.overlay.write().unwrap_or_else(PoisonError::into_inner);
    overlay.end_flush();
    control.bytes = overlay.bytes();
    control.flushed = Some(height);
    drop(overlay);
    drop(control);
    // Freed here, outside the locks.
    drop(batch);
    shared.done.notify_all();
    Ok(())
}

/// Reads the state from any thread; cheap to clone.
#[derive(Clone)]
pub struct StateReader {
    shared: Arc<Shared>,
}

impl StateReader {
    /// Runs `read` on one height: no block is applied while it runs, so it should be short.
    pub fn view<T>(&self, read: impl FnOnce(&StateView<'_>) -> T) -> T {
        let overlay = self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner);
        read(&StateView { overlay: &overlay, store: &*self.shared.store })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.view(|view| view.get(table, key))
    }

    /// At most `limit` entries of `from..to` in key order; an empty `to` is the end of the table.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scan(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        self.view(|view| view.scan(table, from, to, limit))
    }

    /// Height applied last.
    pub fn height(&self) -> Option<u64> {
        self.view(|view| view.height())
    }
}

/// The state at one height.
pub struct StateView<'a> {
    overlay: &'a Overlay,
    store: &'a dyn StateStore,
}

impl StateView<'_> {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let key = table.key(key);
        match self.overlay.get(&key) {
            Some(value) => Ok(value.cloned()),
            None => self.store.get(&key),
        }
    }

    /// At most `limit` entries of `from..to` in key order; an empty `to` is the end of the table.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scan(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        let mut entries = self.overlay.scan(self.store, &table.key(from), &table.end(to), limit)?;
        for (key, _) in &mut entries {
            key.remove(0);
        }
        Ok(entries)
    }

    /// Height applied last.
    pub fn height(&self) -> Option<u64> {
        self.overlay.height()
    }
}
