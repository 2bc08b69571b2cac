//! Reading a log from any thread while it is written.
//!
//! Invariant: a reader returns a record whole and checked, or says that it is not there; memory for the places of
//! sealed segments is bounded by [`OPEN_SEGMENTS`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::segment::{Segment, SegmentHeader};
use super::segment_name;
use crate::GenesisHash;
use crate::disk::Disk;
use crate::error::StorageError;

/// Sealed segments kept open with their index; the one read longest ago makes room.
pub(crate) const OPEN_SEGMENTS: usize = 16;

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub sequence: u64,
    /// What the payload is; the log gives it no meaning.
    pub kind: u8,
    /// The bytes appended.
    pub payload: Vec<u8>,
}

/// A segment's place in the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) number: u64,
    pub(crate) first: u64,
}

#[derive(Default)]
struct Chain {
    metas: Vec<Meta>,
    active: Option<Arc<Segment>>,
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) kind: u8,
    pub(crate) genesis: GenesisHash,
    /// All records below are durable.
    pub(crate) durable: AtomicU64,
    chain: RwLock<Chain>,
    /// Sealed segments, the one read last at the end.
    sealed: Mutex<Vec<Arc<Segment>>>,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, kind: u8, genesis: GenesisHash, metas: Vec<Meta>) -> Self {
        Self {
            disk,
            kind,
            genesis,
            durable: AtomicU64::new(0),
            chain: RwLock::new(Chain { metas, active: None }),
            sealed: Mutex::default(),
        }
    }

    /// Opens a segment without an index.
    pub(crate) fn open_segment(&self, number: u64) -> Result<Arc<Segment>, StorageError> {
        let name = segment_name(number);
        let path = self.disk.path(&name);
        let file = self.disk.open(&name).map_err(|source| StorageError::io("open", &path, source))?;
        let header = SegmentHeader::read(&*file, &path, self.kind, &self.genesis, number)?;
        Ok(Arc::new(Segment { header, file, path, offsets: RwLock::default() }))
    }

    pub(crate) fn first(&self) -> Option<u64> {
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        chain.metas.first().map(|meta| meta.first)
    }

    pub(crate) fn first_number(&self) -> Option<u64> {
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        chain.metas.first().map(|meta| meta.number)
    }

    pub(crate) fn set_active(&self, segment: Arc<Segment>) {
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        chain.active = Some(segment);
    }

    pub(crate) fn push(&self, meta: Meta, segment: Arc<Segment>) {
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        chain.metas.push(meta);
        chain.active = Some(segment);
    }

    pub(crate) fn prune(&self, below: u64) -> Result<usize, StorageError> {
        let mut removed = 0;
        loop {
            let number = {
                let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
                match chain.metas.as_slice() {
                    [oldest, next, ..] if next.first <= below => {
                        let number = oldest.number;
                        chain.metas.remove(0);
                        number
                    }
                    _ => return Ok(removed),
                }
            };
            self.sealed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|segment| segment.header.number != number);
            let name = segment_name(number);
            self.disk.remove(&name).map_err(|source| StorageError::io("remove", self.disk.path(&name), source))?;
            removed += 1;
        }
    }

    pub(crate) fn read(&self, sequence: u64) -> Result<Option<Record>, StorageError> {
        let Some(segment) = self.segment_of(sequence)? else {
            return Ok(None);
        };
        Ok(segment.read(sequence)?.map(|(kind, payload)| Record { sequence, kind, payload }))
    }

    fn segment_of(&self, sequence: u64) -> Result<Option<Arc<Segment>>, StorageError> {
        let (number, sealed_at) = {
            let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
            let after = chain.metas.partition_point(|meta| meta.first <= sequence);
            let Some(index) = after.checked_sub(1) else {
                return Ok(None);
            };
            match chain.metas.get(after) {
                None => return Ok(chain.active.clone()),
                Some(next) => (chain.metas[index].number, next.first),
            }
        };
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = sealed.iter().position(|segment| segment.header.number == number) {
            let segment = sealed.remove(at);
            sealed.push(Arc::clone(&segment));
            return Ok(Some(segment));
        }
        let segment = self.open_segment(number)?;
        segment.index_sealed(sealed_at)?;
        if sealed.len() >= OPEN_SEGMENTS {
            sealed.remove(0);
        }
        sealed.push(Arc::clone(&segment));
        Ok(Some(segment))
    }
}

/// The reading end of a log, for any thread.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The durable record with this sequence number; `None` when it is pruned or not yet durable.
    ///
    /// # Errors
    /// Damage or device failure.
    pub fn read(&self, sequence: u64) -> Result<Option<Record>, StorageError> {
        if sequence >= self.durable_end() {
            return Ok(None);
        }
        self.shared.read(sequence)
    }

    /// All records below this sequence number are durable.
    pub fn durable_end(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Sequence number of the oldest record kept, if there is a segment.
    pub fn first(&self) -> Option<u64> {
        self.shared.first()
    }
}

/// Records of a log in order; ends at the newest, or after the first error.
pub struct Replay<'a> {
    shared: &'a Shared,
    next: u64,
    end: u64,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(shared: &'a Shared, next: u64, end: u64) -> Self {
        Self { shared, next, end }
    }
}

impl Iterator for Replay<'_> {
    type Item = Result<Record, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        match self.shared.read(self.next) {
            Ok(Some(record)) => {
                self.next += 1;
                Some(Ok(record))
            }
            // Every record from the oldest kept to the newest exists, so this is a segment that ended too early.
            Ok(None) => {
                self.end = self.next;
                Some(Err(StorageError::MissingSegment {
                    file: self.shared.disk.path(&format!("record {}", self.next)),
                }))
            }
            Err(error) => {
                self.end = self.next;
                Some(Err(error))
            }
        }
    }
}
