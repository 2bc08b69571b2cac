//! The thread that makes writes durable, in the order they were handed in.
//!
//! Invariants: when ticket k is reported, every write of every ticket up to k is durable. Inside a group the blocks
//! are durable before the consensus records are written, and these before the guard is: after a crash a vote never
//! lies behind a missing block of an earlier ticket, and the guard never forbids repeating a vote that was lost.
//!
//! ```text
//!   submit(1) submit(2) submit(3) ─► queue ─► group ─► blocks, sync ─► consensus, sync ─► guard, sync ─► 1, 2, 3
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::StorageError;
use crate::guard::MAX_GUARD_BYTES;
use crate::journal::{BlockRecord, Journal};
use crate::log::MAX_RECORD;

/// Batches that may wait; above it [`Writer::submit`] waits.
pub const QUEUE_JOBS: usize = 256;
/// Bytes that may wait or be under way to the disk; above it [`Writer::submit`] waits. A batch alone always fits.
pub const QUEUE_BYTES: usize = 64 << 20;
/// A group is closed once it holds this many bytes, so that the first ticket in it does not wait for ever.
pub const GROUP_BYTES: usize = 8 << 20;

/// One thing to make durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A record of the consensus log.
    Consensus {
        /// What the payload is, for whoever replays it.
        kind: u8,
        /// The bytes.
        payload: Vec<u8>,
    },
    /// A decided height; heights are contiguous.
    Block {
        /// The height.
        height: u64,
        /// The block's canonical bytes.
        block: Vec<u8>,
        /// The commit certificate's canonical bytes.
        certificate: Vec<u8>,
        /// The receipts' canonical bytes.
        receipts: Vec<u8>,
    },
    /// The signer guard's record; of several in one group only the last is written.
    Guard(
        /// The bytes, at most [`MAX_GUARD_BYTES`].
        Vec<u8>,
    ),
    /// Forget consensus records below this sequence number, once everything handed in before is durable.
    PruneConsensus {
        /// A number taken from [`Report::Persisted`] or from replay.
        below: u64,
    },
}

impl Write {
    fn bytes(&self) -> Result<usize, StorageError> {
        let (bytes, limit) = match self {
            Self::Consensus { payload, .. } => (payload.len(), MAX_RECORD),
            Self::Guard(payload) => (payload.len(), MAX_GUARD_BYTES),
            Self::PruneConsensus { .. } => (0, 0),
            Self::Block { block, certificate, receipts, .. } => {
                return BlockRecord::payload_bytes(block, certificate, receipts);
            }
        };
        if bytes > limit {
            return Err(StorageError::TooLarge { bytes, limit });
        }
        Ok(bytes)
    }
}

/// What the thread tells.
#[derive(Debug)]
pub enum Report {
    /// This ticket and all before it are durable.
    Persisted {
        /// The ticket.
        ticket: u64,
        /// Sequence number of the first consensus record after this ticket's.
        consensus_next: u64,
    },
    /// Nothing more will be written; the node must stop.
    Fatal(StorageError),
}

/// Writes that become durable together, and the number they are reported by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Rises from batch to batch.
    pub ticket: u64,
    /// In this order within each log.
    pub writes: Vec<Write>,
}

struct Job {
    batch: Batch,
    bytes: usize,
}

/// Bytes that were handed in and are not written yet.
#[derive(Debug, Default)]
struct Room {
    load: Mutex<Load>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Load {
    bytes: usize,
    closed: bool,
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for `bytes`, which a batch alone always has. The writing thread makes room whatever the caller does,
    /// so this ends.
    fn take(&self, bytes: usize) {
        let fits = |load: &mut Load| {
            load.closed || load.bytes == 0 || load.bytes.checked_add(bytes).is_some_and(|sum| sum <= QUEUE_BYTES)
        };
        let mut load = self.freed.wait_while(self.lock(), |load| !fits(load)).unwrap_or_else(PoisonError::into_inner);
        load.bytes = load.bytes.saturating_add(bytes);
    }

    fn give_back(&self, bytes: usize) {
        let mut load = self.lock();
        load.bytes = load.bytes.saturating_sub(bytes);
        self.freed.notify_all();
    }
}

/// Lets whoever waits for room go on when the writing thread ends, however it ends.
struct Ending(Arc<Room>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.freed.notify_all();
    }
}

/// Hands batches to the writing thread.
pub struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<Result<Journal, String>>>,
    next_ticket: u64,
    failed: Arc<AtomicBool>,
    room: Arc<Room>,
}

impl Writer {
    /// Starts the thread. `report` is called on it, in ticket order, and must not block for long.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn start(journal: Journal, report: impl FnMut(Report) + Send + 'static) -> Result<Self, StorageError> {
        let (sender, receiver) = bounded(QUEUE_JOBS);
        let failed = Arc::new(AtomicBool::new(false));
        let room = Arc::new(Room::default());
        let (flag, ending) = (Arc::clone(&failed), Ending(Arc::clone(&room)));
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || run(journal, &receiver, report, &flag, &ending.0))
            .map_err(|source| StorageError::io("start", "the log writer thread", source))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), next_ticket: 0, failed, room })
    }

    /// Hands in a batch. Tickets rise, gaps are allowed; waits while [`QUEUE_JOBS`] batches are queued or [`QUEUE_BYTES`]
    /// are not written yet.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] and [`StorageError::OutOfOrder`] leave everything as it was;
    /// [`StorageError::Stopped`] follows a fatal report.
    pub fn submit(&mut self, ticket: u64, writes: Vec<Write>) -> Result<(), StorageError> {
        if ticket < self.next_ticket {
            return Err(StorageError::OutOfOrder { what: "ticket", expected: self.next_ticket, got: ticket });
        }
        let mut bytes: usize = 0;
        for write in &writes {
            bytes = bytes.saturating_add(write.bytes()?);
        }
        let stopped = || StorageError::Stopped { cause: "the log writer has reported a fatal error".to_owned() };
        if self.failed.load(Ordering::Acquire) {
            return Err(stopped());
        }
        self.room.take(bytes);
        let job = Job { batch: Batch { ticket, writes }, bytes };
        self.jobs.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())?;
        self.next_ticket = ticket.saturating_add(1);
        Ok(())
    }

    /// Batches handed in that the thread has not yet taken.
    pub fn queued(&self) -> usize {
        self.jobs.as_ref().map_or(0, Sender::len)
    }

    /// Bytes handed in that are not written yet.
    pub fn queued_bytes(&self) -> usize {
        self.room.lock().bytes
    }

    /// Writes and reports everything queued, ends the thread and gives the journal back.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] when a fatal error was reported.
    pub fn close(mut self) -> Result<Journal, StorageError> {
        self.jobs = None;
        let ended = match self.thread.take() {
            Some(thread) => thread.join(),
            None => Ok(Err("already closed".to_owned())),
        };
        match ended {
            Ok(Ok(journal)) => Ok(journal),
            Ok(Err(cause)) => Err(StorageError::Stopped { cause }),
            Err(_) => Err(StorageError::Stopped { cause: "the log writer thread panicked".to_owned() }),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The outcome was reported through the callback already.
            let _ = thread.join();
        }
    }
}

fn run(
    mut journal: Journal,
    jobs: &Receiver<Job>,
    mut report: impl FnMut(Report),
    failed: &AtomicBool,
    room: &Room,
) -> Result<Journal, String> {
    while let Ok(first) = jobs.recv() {
        let mut bytes = first.bytes;
        let mut group = vec![first.batch];
        while bytes < GROUP_BYTES && group.len() < QUEUE_JOBS {
            let Ok(job) = jobs.try_recv() else { break };
            bytes = bytes.saturating_add(job.bytes);
            group.push(job.batch);
        }
        match persist(&mut journal, &group) {
            Ok(persisted) => {
                drop(group);
                room.give_back(bytes);
                for (ticket, consensus_next) in persisted {
                    report(Report::Persisted { ticket, consensus_next });
                }
            }
            Err(error) => {
                let cause = error.to_string();
                tracing::error!(%cause, "the log writer stops");
                failed.store(true, Ordering::Release);
                report(Report::Fatal(error));
                return Err(cause);
            }
        }
    }
    Ok(journal)
}

/// Makes a group durable, in the order the module describes; gives each ticket with the next consensus sequence number
/// after it. The writing thread calls this; whoever has no thread (a simulation) may call it himself.
///
/// # Errors
/// Whatever the disk refuses. What was written is then unknown: the journal must not be used any more.
pub fn persist(journal: &mut Journal, group: &[Batch]) -> Result<Vec<(u64, u64)>, StorageError> {
    for write in group.iter().flat_map(|batch| &batch.writes) {
        if let Write::Block { height, block, certificate, receipts } = write {
            journal.blocks.append(*height, block, certificate, receipts)?;
        }
    }
    journal.blocks.sync()?;

    let mut persisted = Vec::with_capacity(group.len());
    let mut guard = None;
    let mut prune = 0;
    for batch in group {
        for write in &batch.writes {
            match write {
                Write::Consensus { kind, payload } => {
                    journal.consensus.append(*kind, payload)?;
                }
                Write::Guard(payload) => guard = Some(payload),
                Write::PruneConsensus { below } => prune = prune.max(*below),
                Write::Block { .. } => {}
            }
        }
        persisted.push((batch.ticket, journal.consensus.next_sequence()));
    }
    journal.consensus.sync()?;

    // One write for the group: two without a sync between them would put both slots at risk.
    if let Some(payload) = guard {
        journal.guard.write(payload)?;
    }
    if prune > 0 {
        journal.consensus.prune(prune)?;
    }
    Ok(persisted)
}
