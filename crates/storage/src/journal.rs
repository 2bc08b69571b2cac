//! The durable truth of a node: consensus log, block log and signer guard, opened together.
//!
//! Invariant: the block log holds exactly one record for each height from its first to its last, and its sequence
//! numbers are the heights, so no index has to be kept or repaired.

use std::io;
use std::sync::Arc;

use crate::GenesisHash;
use crate::disk::{DirDisk, Disk};
use crate::error::{Fault, StorageError};
use crate::guard::Guard;
use crate::home::Home;
use crate::log::{Check, Cut, Log, LogOptions, LogReader, MAX_RECORD, Record};

/// Kind byte in the header of a consensus log segment.
pub(crate) const CONSENSUS_LOG: u8 = 1;
/// Kind byte in the header of a block log segment.
pub(crate) const BLOCK_LOG: u8 = 2;
/// Kind byte of the frames of the block log.
const BLOCK_FRAME: u8 = 1;
/// Height of the first block of a chain that starts at genesis.
pub const FIRST_HEIGHT: u64 = 1;
/// Bytes before the three parts of a block record.
const PARTS_HEADER: usize = 8;

/// One decided height as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRecord {
    /// The height.
    pub height: u64,
    /// The block's canonical bytes.
    pub block: Vec<u8>,
    /// The commit certificate's canonical bytes.
    pub certificate: Vec<u8>,
    /// The receipts' canonical bytes.
    pub receipts: Vec<u8>,
}

impl BlockRecord {
    /// What stands before the parts: the lengths of the first two.
    fn lengths(block: &[u8], certificate: &[u8], receipts: &[u8]) -> Result<[u8; PARTS_HEADER], StorageError> {
        Self::payload_bytes(block, certificate, receipts)?;
        let mut lengths = [0; PARTS_HEADER];
        // The sum is at most MAX_RECORD, so each length fits four bytes.
        lengths[..4].copy_from_slice(&(block.len() as u32).to_le_bytes());
        lengths[4..].copy_from_slice(&(certificate.len() as u32).to_le_bytes());
        Ok(lengths)
    }

    /// Size of the record, if it is within the limit.
    pub(crate) fn payload_bytes(block: &[u8], certificate: &[u8], receipts: &[u8]) -> Result<usize, StorageError> {
        let bytes =
            PARTS_HEADER.saturating_add(block.len()).saturating_add(certificate.len()).saturating_add(receipts.len());
        if bytes > MAX_RECORD {
            return Err(StorageError::TooLarge { bytes, limit: MAX_RECORD });
        }
        Ok(bytes)
    }

    fn decode(record: Record) -> Option<Self> {
        if record.kind != BLOCK_FRAME {
            return None;
        }
        let mut payload = record.payload;
        let (lengths, parts) = payload.split_first_chunk::<PARTS_HEADER>()?;
        let [b0, b1, b2, b3, c0, c1, c2, c3] = *lengths;
        let block = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        let certificate = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        if block.checked_add(certificate)? > parts.len() {
            return None;
        }
        let receipts = payload.split_off(PARTS_HEADER + block + certificate);
        let certificate = payload.split_off(PARTS_HEADER + block);
        payload.drain(..PARTS_HEADER);
        Some(Self { height: record.sequence, block: payload, certificate, receipts })
    }
}

/// The writing end of the block log.
pub struct BlockLog {
    log: Log,
    disk: Arc<dyn Disk>,
}

impl BlockLog {
    /// Opens the log; a new one will begin at `first_height`.
    ///
    /// # Errors
    /// As [`Log::open`]; also when the first segment is gone, for blocks are never pruned.
    pub fn open(
        disk: Arc<dyn Disk>,
        genesis: GenesisHash,
        options: LogOptions,
        first_height: u64,
    ) -> Result<(Self, Option<Cut>), StorageError> {
        let (mut log, cut) = Log::open(Arc::clone(&disk), BLOCK_LOG, genesis, options)?;
        if let Some(file) = log.lost_beginning() {
            return Err(StorageError::MissingSegment { file });
        }
        if log.is_new() {
            log.start_at(first_height)?;
        }
        Ok((Self { log, disk }, cut))
    }

    /// Height the next block must have.
    pub fn next_height(&self) -> u64 {
        self.log.next_sequence()
    }

    /// Appends one decided height; durable after [`BlockLog::sync`].
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] and [`StorageError::TooLarge`] leave the log as it was; others stop it for good.
    pub fn append(
        &mut self,
        height: u64,
        block: &[u8],
        certificate: &[u8],
        receipts: &[u8],
    ) -> Result<(), StorageError> {
        if height != self.next_height() {
            return Err(StorageError::OutOfOrder { what: "height", expected: self.next_height(), got: height });
        }
        let lengths = BlockRecord::lengths(block, certificate, receipts)?;
        self.log.append_parts(BLOCK_FRAME, &[&lengths, block, certificate, receipts]).map(|_| ())
    }

    /// Makes everything appended durable and visible to readers.
    ///
    /// # Errors
    /// Device failure, which stops the log for good.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.log.sync()
    }

    /// A reading end for other threads.
    pub fn reader(&self) -> BlockReader {
        BlockReader { log: self.log.reader(), disk: Arc::clone(&self.disk) }
    }
}

/// The reading end of the block log, for any thread; it sees durable blocks only.
#[derive(Clone)]
pub struct BlockReader {
    log: LogReader,
    disk: Arc<dyn Disk>,
}

impl BlockReader {
    /// The record of a height; `None` when it is below the first or above the last.
    ///
    /// # Errors
    /// Damage or device failure.
    pub fn block(&self, height: u64) -> Result<Option<BlockRecord>, StorageError> {
        let Some(record) = self.log.read(height)? else {
            return Ok(None);
        };
        match BlockRecord::decode(record) {
            Some(record) => Ok(Some(record)),
            None => Err(StorageError::Corrupt {
                file: self.disk.path(&format!("block {height}")),
                offset: 0,
                fault: Fault::BlockRecord,
            }),
        }
    }

    /// Height of the last durable block.
    pub fn last_height(&self) -> Option<u64> {
        let first = self.first_height()?;
        self.log.durable_end().checked_sub(1).filter(|last| *last >= first)
    }

    /// Height of the first block kept: [`FIRST_HEIGHT`], or the one after the snapshot this node started from.
    pub fn first_height(&self) -> Option<u64> {
        self.log.first()
    }

    /// Durable blocks from `from` (or the first kept) to the last, in order; ends after the first error.
    pub fn blocks(&self, from: u64) -> impl Iterator<Item = Result<BlockRecord, StorageError>> {
        let mut next = from.max(self.first_height().unwrap_or(from));
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let record = self.block(next).transpose()?;
            failed = record.is_err();
            next = next.saturating_add(1);
            Some(record)
        })
    }
}

/// The directories a journal writes to.
#[derive(Clone)]
pub struct JournalDisks {
    /// Segments of the consensus log and nothing else.
    pub consensus: Arc<dyn Disk>,
    /// Segments of the block log and nothing else.
    pub blocks: Arc<dyn Disk>,
    /// The guard's file.
    pub signer: Arc<dyn Disk>,
}

impl JournalDisks {
    /// The directories of a home, made if they do not exist.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn of_home(home: &Home) -> Result<Self, StorageError> {
        let open = |path: std::path::PathBuf| -> Result<Arc<dyn Disk>, StorageError> {
            let failed = |source: io::Error| StorageError::io("open", path.display().to_string(), source);
            Ok(Arc::new(DirDisk::open(&path).map_err(failed)?))
        };
        Ok(Self {
            consensus: open(home.consensus_log())?,
            blocks: open(home.block_log())?,
            signer: open(home.signer())?,
        })
    }
}

/// Sizes of the two logs, and where a new block log begins.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// The consensus log; it is small, so all of it is verified on open.
    pub consensus: LogOptions,
    /// The block log; its tail is verified on open, older blocks when they are read.
    pub blocks: LogOptions,
    /// Height of the first block of a new log: [`FIRST_HEIGHT`], or the one after a snapshot.
    pub first_height: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            consensus: LogOptions { segment_bytes: 16 << 20, check: Check::Everything },
            blocks: LogOptions { segment_bytes: 64 << 20, check: Check::Tail },
            first_height: FIRST_HEIGHT,
        }
    }
}

/// What was found and done while opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalReport {
    /// Unsynced tail of the consensus log that was cut.
    pub consensus_cut: Option<Cut>,
    /// Unsynced tail of the block log that was cut.
    pub blocks_cut: Option<Cut>,
}

/// Both logs and the guard; a [`crate::Writer`] takes it over.
pub struct Journal {
    /// Own signed votes and prepared certificates; opaque records, pruned as heights are decided.
    pub consensus: Log,
    /// Every decided height, for ever.
    pub blocks: BlockLog,
    /// The signer's own memory.
    pub guard: Guard,
}

impl Journal {
    /// Opens all three.
    ///
    /// # Errors
    /// As [`Log::open`], [`BlockLog::open`] and [`Guard::open`].
    pub fn open(
        disks: &JournalDisks,
        genesis: GenesisHash,
        options: &JournalOptions,
    ) -> Result<(Self, JournalReport), StorageError> {
        let guard = Guard::open(Arc::clone(&disks.signer), genesis)?;
        let (consensus, consensus_cut) =
            Log::open(Arc::clone(&disks.consensus), CONSENSUS_LOG, genesis, options.consensus)?;
        let (blocks, blocks_cut) =
            BlockLog::open(Arc::clone(&disks.blocks), genesis, options.blocks, options.first_height)?;
        let journal = Self { consensus, blocks, guard };
        let report = JournalReport { consensus_cut, blocks_cut };
        Ok((journal, report))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::disk::{Crash, MemDisk};

    const CHAIN: GenesisHash = [3; 32];
    const SMALL: LogOptions = LogOptions { segment_bytes: 4096 + 256, check: Check::Tail };

    fn open(disk: &MemDisk, first: u64) -> Result<(BlockLog, Option<Cut>), StorageError> {
        BlockLog::open(Arc::new(disk.clone()), CHAIN, SMALL, first)
    }

    fn fill(log: &mut BlockLog, heights: std::ops::RangeInclusive<u64>) {
        for height in heights {
            let block = vec![1; height as usize % 7 * 10];
            log.append(height, &block, &height.to_le_bytes(), &[]).unwrap();
        }
    }

    #[test]
    fn heights_are_contiguous_and_read_back() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, FIRST_HEIGHT).unwrap();
        let reader = log.reader();
        assert_eq!(reader.last_height(), None);
        assert!(matches!(log.append(2, b"", b"", b""), Err(StorageError::OutOfOrder { expected: 1, got: 2, .. })));
        fill(&mut log, 1..=40);
        assert!(matches!(log.append(40, b"", b"", b""), Err(StorageError::OutOfOrder { .. })));
        log.sync().unwrap();
        assert_eq!(reader.last_height(), Some(40));
        for height in 1..=40_u64 {
            let record = reader.block(height).unwrap().unwrap();
            assert_eq!(record.height, height);
            assert_eq!(record.block, vec![1; height as usize % 7 * 10]);
            assert_eq!(record.certificate, height.to_le_bytes());
            assert_eq!(record.receipts, b"");
        }
        assert_eq!(reader.block(0).unwrap(), None);
        assert_eq!(reader.block(41).unwrap(), None);
        assert_eq!(reader.blocks(35).count(), 6);
        assert!(disk.list().unwrap().len() > 5, "several segments");
    }

    #[test]
    fn the_three_parts_of_a_record_come_back_apart() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, FIRST_HEIGHT).unwrap();
        log.append(1, b"block", b"certificate", b"receipts").unwrap();
        log.append(2, b"", b"", b"receipts").unwrap();
        log.sync().unwrap();
        let reader = log.reader();
        let record = |height, block: &[u8], certificate: &[u8], receipts: &[u8]| {
            let (block, certificate, receipts) = (block.to_vec(), certificate.to_vec(), receipts.to_vec());
            Some(BlockRecord { height, block, certificate, receipts })
        };
        assert_eq!(reader.block(1).unwrap(), record(1, b"block", b"certificate", b"receipts"));
        assert_eq!(reader.block(2).unwrap(), record(2, b"", b"", b"receipts"));
    }

    #[test]
    fn the_size_of_a_record_counts_its_header_and_all_parts() {
        assert_eq!(BlockRecord::payload_bytes(b"block", b"certificate", b"receipts").unwrap(), 8 + 5 + 11 + 8);
        let half = vec![0; MAX_RECORD / 2];
        assert_eq!(BlockRecord::payload_bytes(&half, &half[8..], b"").unwrap(), MAX_RECORD);
        let error = BlockRecord::payload_bytes(&half, &half[8..], b"1").unwrap_err();
        assert!(matches!(error, StorageError::TooLarge { bytes, limit: MAX_RECORD } if bytes == MAX_RECORD + 1));
    }

    #[test]
    fn a_record_that_is_no_block_is_named_and_ends_the_reading() {
        let lengths = |block: u32, certificate: u32| [block.to_le_bytes(), certificate.to_le_bytes()].concat();
        let whole = [lengths(1, 1), b"bc".to_vec()].concat();
        let overlong = [lengths(1, 2), b"bc".to_vec()].concat();
        let cases = [
            (BLOCK_FRAME, overlong),
            (BLOCK_FRAME, lengths(u32::MAX, u32::MAX)),
            (BLOCK_FRAME, b"7 bytes".to_vec()),
            (BLOCK_FRAME + 1, whole.clone()),
        ];
        for (kind, payload) in cases {
            let disk = MemDisk::new(1);
            let (mut log, _) = Log::open(Arc::new(disk.clone()), BLOCK_LOG, CHAIN, SMALL).unwrap();
            log.append(BLOCK_FRAME, &whole).unwrap();
            log.append(kind, &payload).unwrap();
            log.append(BLOCK_FRAME, &whole).unwrap();
            log.sync().unwrap();
            let (log, _) = open(&disk, FIRST_HEIGHT).unwrap();
            let read: Vec<_> = log.reader().blocks(0).collect();
            let [Ok(first), Err(StorageError::Corrupt { file, fault: Fault::BlockRecord, .. })] = &read[..] else {
                panic!("{read:?}");
            };
            assert_eq!((first.block.as_slice(), first.certificate.as_slice()), (&b"b"[..], &b"c"[..]));
            assert_eq!(file, "mem:block 1");
        }
    }

    #[test]
    fn readers_see_durable_blocks_only() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, FIRST_HEIGHT).unwrap();
        let reader = log.reader();
        fill(&mut log, 1..=1);
        assert_eq!(reader.last_height(), None);
        assert_eq!(reader.block(1).unwrap(), None);
        log.sync().unwrap();
        assert!(reader.block(1).unwrap().is_some());
    }

    #[test]
    fn a_log_behind_a_snapshot_begins_above_it() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, 500).unwrap();
        fill(&mut log, 500..=520);
        log.sync().unwrap();
        // Once there are blocks the configured beginning does not matter.
        let (log, cut) = open(&disk.survivor(Crash::LoseAll), FIRST_HEIGHT).unwrap();
        assert_eq!(cut, None);
        let reader = log.reader();
        assert_eq!(reader.first_height(), Some(500));
        assert_eq!(reader.last_height(), Some(520));
        assert_eq!(reader.block(499).unwrap(), None);
        assert_eq!(reader.blocks(0).count(), 21);
    }

    #[test]
    fn a_lost_first_segment_is_named() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, FIRST_HEIGHT).unwrap();
        fill(&mut log, 1..=40);
        log.sync().unwrap();
        disk.remove("0000000000.log").unwrap();
        match open(&disk, FIRST_HEIGHT).map(|_| ()) {
            Err(StorageError::MissingSegment { file }) => assert_eq!(file, "mem:0000000000.log"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_above_the_limit_is_refused_and_the_log_goes_on() {
        let disk = MemDisk::new(1);
        let (mut log, _) = open(&disk, FIRST_HEIGHT).unwrap();
        let large = vec![0; MAX_RECORD - 7];
        assert!(matches!(log.append(1, &large, &[], &[]), Err(StorageError::TooLarge { .. })));
        log.append(1, &large[1..], &[], &[]).unwrap();
        log.append(2, b"small", &[], &[]).unwrap();
        log.sync().unwrap();
        let (log, _) = open(&disk.survivor(Crash::LoseAll), 1).unwrap();
        let record = log.reader().block(1).unwrap().unwrap();
        assert_eq!(record.block.len(), MAX_RECORD - 8);
        assert_eq!(log.reader().last_height(), Some(2));
    }
}
