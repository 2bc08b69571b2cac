//! Append-only log of checked frames in preallocated segment files.
//!
//! Invariants: sequence numbers are contiguous; [`LogReader`] returns durable frames only; after a failed write or
//! sync the log refuses everything; bytes behind the last frame are zero whenever the log accepts an append, so old
//! bytes can never be taken for new frames.
//!
//! On open the segments must form a chain. In the last one a tail that was never synced is cut and reported; damage to
//! bytes that were durable is an error that names file and offset, and is never repaired automatically.

mod frame;
mod reader;
mod segment;
#[cfg(test)]
mod tests;

pub use frame::MAX_RECORD;
pub use reader::{LogReader, Record, Replay};

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use crate::GenesisHash;
use crate::disk::Disk;
use crate::error::StorageError;
use frame::MAX_UNSYNCED;
use reader::{Meta, Shared};
use segment::{HEADER_PAGE, Segment, SegmentHeader};

/// Largest segment that may be configured, in bytes; one is read whole when the log is opened.
pub const MAX_SEGMENT: u32 = 256 << 20;
/// Zeros are written this far ahead of the tail: overwriting blocks that were written before makes a sync cheap.
const ZERO_AHEAD: u64 = 256 << 10;
/// Bytes of the frame buffer that are kept from one append to the next.
const KEPT_BUFFER: usize = 4 << 20;
static ZEROS: [u8; ZERO_AHEAD as usize] = [0; ZERO_AHEAD as usize];

/// How much of a log is verified when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Every byte of every frame.
    Everything,
    /// All segment headers and the whole last segment; the others are checked when they are read.
    Tail,
}

/// Size and care of a log.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Bytes of a segment file; one record that needs more gets a larger segment of its own.
    pub segment_bytes: u32,
    /// What is verified on open.
    pub check: Check,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, check: Check::Everything }
    }
}

/// A tail that was never synced and has been cut on open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The last segment.
    pub file: String,
    /// Where the cut was made.
    pub offset: u64,
    /// From there to the last byte that was not zero.
    pub bytes: u64,
    /// Frame headers that were still readable in those bytes.
    pub frames: u64,
}

struct Active {
    segment: Arc<Segment>,
    /// Where the next frame goes.
    end: u64,
    /// Bytes of the file up to here have been written once.
    written: u64,
}

/// The writing end of a log.
pub struct Log {
    shared: Arc<Shared>,
    options: LogOptions,
    active: Option<Active>,
    next: u64,
    unsynced: u16,
    buffer: Vec<u8>,
    stopped: Option<String>,
}

pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:010}.log")
}

impl Log {
    /// Opens the log in `disk`, which holds nothing else, or prepares an empty one.
    ///
    /// # Errors
    /// Damage to durable bytes, a missing segment, files of another chain, kind or newer schema, device failure.
    pub fn open(
        disk: Arc<dyn Disk>,
        kind: u8,
        genesis: GenesisHash,
        options: LogOptions,
    ) -> Result<(Self, Option<Cut>), StorageError> {
        let metas = segments_in(&*disk, kind, &genesis)?;
        let shared = Arc::new(Shared::new(disk, kind, genesis, metas.clone()));
        let mut log = Self { shared, options, active: None, next: 0, unsynced: 0, buffer: Vec::new(), stopped: None };
        if options.check == Check::Everything {
            for pair in metas.windows(2) {
                let segment = log.shared.open_segment(pair[0].number)?;
                let bytes = whole(&segment)?;
                segment::scan(&bytes, &segment.header, &segment.path, Some(pair[1].first))?;
            }
        }
        let Some(last) = metas.last() else {
            return Ok((log, None));
        };
        let cut = log.open_last(last.number)?;
        Ok((log, cut))
    }

    fn open_last(&mut self, number: u64) -> Result<Option<Cut>, StorageError> {
        let segment = self.shared.open_segment(number)?;
        let scan = segment::scan(&whole(&segment)?, &segment.header, &segment.path, None)?;
        let mut cut = None;
        if scan.dirty_end > scan.end {
            for at in (scan.end..scan.dirty_end).step_by(ZEROS.len()) {
                let part = (scan.dirty_end - at).min(ZERO_AHEAD);
                segment
                    .file
                    .write_at(at, &ZEROS[..part as usize])
                    .map_err(|source| StorageError::io("write", &segment.path, source))?;
            }
            let found = Cut {
                file: segment.path.clone(),
                offset: scan.end,
                bytes: scan.dirty_end - scan.end,
                frames: scan.torn_frames,
            };
            tracing::warn!(
                file = %found.file,
                offset = found.offset,
                bytes = found.bytes,
                "cut a log tail that was never synced"
            );
            cut = Some(found);
        }
        // What was read may have been in the page cache only, since a process that was killed did not sync it; from
        // here on these frames count as durable, so make it true.
        segment.file.sync().map_err(|source| StorageError::io("sync", &segment.path, source))?;
        self.next = segment.header.first.saturating_add(scan.offsets.len() as u64);
        *segment.offsets.write().unwrap_or_else(PoisonError::into_inner) = scan.offsets;
        self.shared.durable.store(self.next, Ordering::Release);
        self.shared.set_active(Arc::clone(&segment));
        self.active = Some(Active { segment, end: scan.end, written: scan.dirty_end });
        Ok(cut)
    }

    /// Sequence number the next record gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Sequence number of the oldest record kept, or of the next one when there is none.
    pub fn first_sequence(&self) -> u64 {
        self.shared.first().unwrap_or(self.next)
    }

    /// Path of the first segment when it is gone though others are there; a log that is never pruned has none such.
    pub(crate) fn lost_beginning(&self) -> Option<String> {
        let number = self.shared.first_number()?;
        (number != 0).then(|| self.shared.disk.path(&segment_name(0)))
    }

    /// True when no record was ever appended and none was removed.
    pub fn is_new(&self) -> bool {
        self.active.is_none()
    }

    /// Lets a new log begin at `sequence` instead of 0.
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] when the log has segments already.
    pub fn start_at(&mut self, sequence: u64) -> Result<(), StorageError> {
        if self.active.is_some() {
            return Err(StorageError::OutOfOrder { what: "start of the log", expected: self.next, got: sequence });
        }
        self.next = sequence;
        self.shared.durable.store(sequence, Ordering::Release);
        Ok(())
    }

    /// Appends a record and returns its sequence number; durable after the next [`Log::sync`].
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] leaves the log as it was; any other error stops it for good.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<u64, StorageError> {
        self.append_parts(kind, &[payload])
    }

    /// [`Log::append`] of a payload whose parts lie in different places, one after the other.
    ///
    /// # Errors
    /// As there.
    pub fn append_parts(&mut self, kind: u8, payload: &[&[u8]]) -> Result<u64, StorageError> {
        self.check_running()?;
        let bytes = frame::length_of(payload);
        if bytes > MAX_RECORD {
            return Err(StorageError::TooLarge { bytes, limit: MAX_RECORD });
        }
        // Nothing below can be refused because of the caller's data: an error is the device's and is final.
        let result = self.write_frame(kind, payload);
        self.stop_on_error(result)
    }

    fn write_frame(&mut self, kind: u8, payload: &[&[u8]]) -> Result<u64, StorageError> {
        let need = frame::frame_bytes(frame::length_of(payload)) as u64;
        if self.unsynced == MAX_UNSYNCED {
            self.sync_active()?;
        }
        let fits = self.active.as_ref().is_some_and(|active| active.end + need <= active.segment.header.size);
        if !fits {
            self.roll(need)?;
        }
        let Some(active) = self.active.as_mut() else {
            return Err(StorageError::Stopped { cause: "no active segment".to_owned() });
        };
        let sequence = self.next;
        let header = &active.segment.header;
        frame::encode(&mut self.buffer, header.nonce, kind, sequence, self.unsynced, payload);
        let path = &active.segment.path;
        let write = |at, bytes: &[u8]| {
            active.segment.file.write_at(at, bytes).map_err(|source| StorageError::io("write", path, source))
        };
        write(active.end, &self.buffer)?;
        let offset = active.end as u32;
        active.end += need;
        if active.end > active.written {
            let ahead = (active.end + ZERO_AHEAD).min(header.size);
            write(active.end, &ZEROS[..(ahead - active.end) as usize])?;
            active.written = ahead;
        }
        active.segment.offsets.write().unwrap_or_else(PoisonError::into_inner).push(offset);
        self.next += 1;
        self.unsynced += 1;
        // A block of many megabytes must not pin its buffer for ever.
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER);
        Ok(sequence)
    }

    /// Seals the active segment, durably, and begins the next one.
    fn roll(&mut self, need: u64) -> Result<(), StorageError> {
        self.sync_active()?;
        let number = self.active.as_ref().map_or(0, |active| active.segment.header.number + 1);
        let name = segment_name(number);
        let shared = &self.shared;
        let path = shared.disk.path(&name);
        let failed = |source| StorageError::io("create", &path, source);
        let configured = u64::from(self.options.segment_bytes.min(MAX_SEGMENT));
        let header = SegmentHeader {
            kind: shared.kind,
            genesis: shared.genesis,
            number,
            first: self.next,
            size: configured.max(HEADER_PAGE + need),
            nonce: shared.disk.nonce().map_err(failed)?,
        };
        let file = shared.disk.create(&name, header.size, &header.encode()).map_err(failed)?;
        let segment = Arc::new(Segment { header, file, path, offsets: RwLock::default() });
        shared.push(Meta { number, first: self.next }, Arc::clone(&segment));
        self.active = Some(Active { segment, end: HEADER_PAGE, written: HEADER_PAGE });
        Ok(())
    }

    /// Makes everything appended so far durable and visible to readers.
    ///
    /// # Errors
    /// Device failure, which stops the log for good.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.check_running()?;
        let result = self.sync_active();
        self.stop_on_error(result)
    }

    fn sync_active(&mut self) -> Result<(), StorageError> {
        if self.unsynced == 0 {
            return Ok(());
        }
        if let Some(active) = &self.active {
            active.segment.file.sync().map_err(|source| StorageError::io("sync", &active.segment.path, source))?;
        }
        self.unsynced = 0;
        self.shared.durable.store(self.next, Ordering::Release);
        Ok(())
    }

    /// Removes the segments all of whose records are below `below`; the active segment always stays.
    ///
    /// # Errors
    /// Device failure, which stops the log for good.
    pub fn prune(&mut self, below: u64) -> Result<usize, StorageError> {
        self.check_running()?;
        let result = self.shared.prune(below);
        self.stop_on_error(result)
    }

    /// The record with this sequence number, durable or not; `None` when it is pruned or not yet written.
    ///
    /// # Errors
    /// Damage or device failure.
    pub fn read(&self, sequence: u64) -> Result<Option<Record>, StorageError> {
        if sequence >= self.next {
            return Ok(None);
        }
        self.shared.read(sequence)
    }

    /// All records from `from` (or the oldest kept) to the newest, in order.
    pub fn replay(&self, from: u64) -> Replay<'_> {
        Replay::new(&self.shared, from.max(self.first_sequence()), self.next)
    }

    /// A reading end for other threads; it sees durable records only.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    fn check_running(&self) -> Result<(), StorageError> {
        match &self.stopped {
            Some(cause) => Err(StorageError::Stopped { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn stop_on_error<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result {
            self.stopped = Some(error.to_string());
        }
        result
    }
}

fn whole(segment: &Segment) -> Result<Vec<u8>, StorageError> {
    let size = usize::try_from(segment.header.size).map_err(|_| segment.damaged(0, crate::Fault::FileLength))?;
    let mut bytes = vec![0; size];
    segment.read_bytes(0, &mut bytes)?;
    Ok(bytes)
}

/// The chain of segments in a directory, each header checked; other files are left alone.
fn segments_in(disk: &dyn Disk, kind: u8, genesis: &GenesisHash) -> Result<Vec<Meta>, StorageError> {
    let names = disk.list().map_err(|source| StorageError::io("list", disk.path(""), source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    numbers.sort_unstable();
    let mut metas: Vec<Meta> = Vec::with_capacity(numbers.len());
    for number in numbers {
        if let Some(previous) = metas.last()
            && number != previous.number + 1
        {
            return Err(StorageError::MissingSegment { file: disk.path(&segment_name(previous.number + 1)) });
        }
        let name = segment_name(number);
        let path = disk.path(&name);
        let file = disk.open(&name).map_err(|source| StorageError::io("open", &path, source))?;
        let header = SegmentHeader::read(&*file, &path, kind, genesis, number)?;
        // Equal when a crash took all records of a segment and the next record was too large for it.
        if metas.last().is_some_and(|previous| header.first < previous.first) {
            return Err(StorageError::Corrupt { file: path, offset: 0, fault: crate::Fault::Sequence });
        }
        metas.push(Meta { number, first: header.first });
    }
    Ok(metas)
}
