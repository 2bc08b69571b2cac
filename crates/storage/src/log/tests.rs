#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::segment::HEADER_PAGE;
use super::*;
use crate::disk::{Crash, DiskFile, MemDisk};
use crate::error::Fault;

mod damage;
mod tail;

const CHAIN: GenesisHash = [5; 32];
const KIND: u8 = 1;

fn options(frame_space: u32) -> LogOptions {
    LogOptions { segment_bytes: HEADER_PAGE as u32 + frame_space, check: Check::Everything }
}

fn try_open(disk: &MemDisk, frame_space: u32) -> Result<(Log, Option<Cut>), StorageError> {
    Log::open(Arc::new(disk.clone()), KIND, CHAIN, options(frame_space))
}

fn open(disk: &MemDisk, frame_space: u32) -> Log {
    let (log, cut) = try_open(disk, frame_space).unwrap();
    assert_eq!(cut, None);
    log
}

/// A payload that tells its sequence number, of a length that varies.
fn payload(sequence: u64) -> Vec<u8> {
    let mut bytes = format!("record {sequence} ").into_bytes();
    bytes.resize(bytes.len() + sequence as usize % 11, b'x');
    bytes
}

/// Appends `payload(s)` for the next `count` sequence numbers, each synced by itself.
fn fill(log: &mut Log, count: u64) {
    for _ in 0..count {
        let sequence = log.next_sequence();
        assert_eq!(log.append(7, &payload(sequence)).unwrap(), sequence);
        log.sync().unwrap();
    }
}

/// A disk with a log of `count` records, and the log.
fn filled(frame_space: u32, count: u64) -> (MemDisk, Log) {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, frame_space);
    fill(&mut log, count);
    (disk, log)
}

fn assert_holds(log: &Log, first: u64, end: u64) {
    let records: Vec<Record> = log.replay(0).map(Result::unwrap).collect();
    let expected: Vec<Record> =
        (first..end).map(|sequence| Record { sequence, kind: 7, payload: payload(sequence) }).collect();
    assert_eq!(records, expected);
    assert_eq!(log.next_sequence(), end);
}

/// The offset an open names, with the fault.
fn damage(disk: &MemDisk, frame_space: u32) -> Option<(String, u64, Fault)> {
    match try_open(disk, frame_space) {
        Err(StorageError::Corrupt { file, offset, fault }) => Some((file, offset, fault)),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

fn offsets(log: &Log) -> Vec<u32> {
    let active = log.active.as_ref().unwrap();
    active.segment.offsets.read().unwrap().clone()
}

#[test]
fn records_survive_reopening_over_many_segments() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 256);
    assert!(log.is_new());
    fill(&mut log, 100);
    assert_holds(&log, 0, 100);
    assert!(disk.list().unwrap().len() > 10);
    let disk = disk.survivor(Crash::LoseAll);
    let mut log = open(&disk, 256);
    assert_holds(&log, 0, 100);
    fill(&mut log, 30);
    let log = open(&disk.survivor(Crash::LoseAll), 256);
    assert_holds(&log, 0, 130);
    assert_eq!(log.replay(125).count(), 5);
    assert_eq!(log.read(130).unwrap(), None);
}

#[test]
fn a_new_log_may_begin_anywhere_and_an_old_one_may_not() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 256);
    log.start_at(1000).unwrap();
    fill(&mut log, 20);
    assert_holds(&log, 1000, 1020);
    assert!(log.start_at(5).is_err());
    assert_holds(&open(&disk, 256), 1000, 1020);
}

#[test]
fn empty_and_largest_payloads_are_kept_and_larger_ones_refused() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 256);
    log.append(0, &[]).unwrap();
    let largest = vec![0xab; MAX_RECORD];
    log.append(255, &largest).unwrap();
    assert!(matches!(log.append(1, &vec![0; MAX_RECORD + 1]), Err(StorageError::TooLarge { .. })));
    log.append(0, &[]).unwrap();
    log.sync().unwrap();
    let log = open(&disk, 256);
    assert_eq!(log.next_sequence(), 3);
    assert_eq!(log.read(0).unwrap().unwrap().payload, b"");
    let record = log.read(1).unwrap().unwrap();
    assert_eq!((record.kind, record.payload.len()), (255, MAX_RECORD));
}

#[test]
fn a_reader_sees_what_is_durable_and_only_that() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 4096);
    let reader = log.reader();
    log.append(7, b"one").unwrap();
    assert_eq!(reader.read(0).unwrap(), None);
    assert!(log.read(0).unwrap().is_some());
    log.sync().unwrap();
    assert_eq!(reader.read(0).unwrap().unwrap().payload, b"one");
    assert_eq!(reader.durable_end(), 1);
}

#[test]
fn one_sync_serves_many_appends_and_an_idle_sync_costs_nothing() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 1 << 16);
    for _ in 0..50 {
        log.append(7, b"x").unwrap();
    }
    let before = disk.syncs();
    log.sync().unwrap();
    log.sync().unwrap();
    assert_eq!(disk.syncs(), before + 1);
    assert_eq!(disk.unsynced_bytes(), 0);
}

#[test]
fn records_found_in_the_page_cache_are_made_durable_before_they_count() {
    // The process is killed before it syncs; the machine goes on, so the next process sees the record.
    let (disk, mut log) = filled(4096, 3);
    log.append(7, &payload(3)).unwrap();
    drop(log);
    assert!(disk.unsynced_bytes() > 0);
    let log = open(&disk, 4096);
    assert_eq!(log.reader().durable_end(), 4);
    assert_holds(&open(&disk.survivor(Crash::LoseAll), 4096), 0, 4);
}

#[test]
fn prune_removes_whole_segments_below_and_never_the_active_one() {
    let (disk, mut log) = filled(256, 60);
    let reader = log.reader();
    assert!(reader.read(0).unwrap().is_some());
    let before = disk.list().unwrap().len();
    assert_eq!(log.prune(0).unwrap(), 0);
    let removed = log.prune(30).unwrap();
    assert!(removed > 3);
    assert_eq!(disk.list().unwrap().len(), before - removed);
    let first = log.first_sequence();
    assert!(first > 0 && first <= 30);
    assert_eq!(reader.read(first - 1).unwrap(), None);
    assert_holds(&log, first, 60);
    assert_holds(&open(&disk.survivor(Crash::LoseAll), 256), first, 60);
    log.prune(u64::MAX).unwrap();
    assert_eq!(disk.list().unwrap().len(), 1);
    let first = log.first_sequence();
    fill(&mut log, 20);
    assert_holds(&open(&disk, 256), first, 80);
}

#[test]
fn after_any_failure_the_log_refuses_everything() {
    // The device dies after so many operations; whatever the log had confirmed must be there afterwards.
    for budget in 0..80 {
        let disk = MemDisk::new(budget);
        let mut log = open(&disk, 256);
        disk.fail_after(budget);
        let mut synced = 0;
        let mut error = None;
        for sequence in 0..40 {
            let done = log.append(7, &payload(sequence)).and_then(|_| log.sync());
            match done {
                Ok(()) => synced = sequence + 1,
                Err(first) => {
                    error = Some(first);
                    break;
                }
            }
        }
        assert!(matches!(error, Some(StorageError::Io { .. })), "{budget}");
        let cause = error.unwrap().to_string();
        for refused in [log.append(7, b"x").map(|_| ()), log.sync(), log.prune(5).map(|_| ())] {
            match refused {
                Err(StorageError::Stopped { cause: told }) => assert_eq!(told, cause),
                other => panic!("{other:?}"),
            }
        }
        for crash in [Crash::KeepAll, Crash::LoseAll, Crash::Random(budget)] {
            let (log, _) = try_open(&disk.survivor(crash), 256).unwrap();
            let held = log.next_sequence();
            assert!(held == synced || held == synced + 1, "{budget}: {held}");
            assert_holds(&log, 0, held);
        }
    }
}

#[test]
fn sealed_segments_are_indexed_as_they_are_read_and_forgotten_again() {
    let (disk, _) = filled(256, 300);
    assert!(disk.list().unwrap().len() > 2 * reader::OPEN_SEGMENTS);
    let (log, _) = try_open(&disk, 256).unwrap();
    for sequence in (0..300).rev().step_by(7) {
        assert_eq!(log.read(sequence).unwrap().unwrap().payload, payload(sequence));
    }
    assert_holds(&log, 0, 300);
}

#[test]
fn zeros_are_written_ahead_of_the_tail_once_for_many_records() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 1 << 20);
    let frame = |length| frame::frame_bytes(length) as u64;
    let mut cost = |length: usize| {
        let before = disk.unsynced_bytes();
        log.append(7, &vec![b'x'; length]).unwrap();
        disk.unsynced_bytes() - before
    };
    assert_eq!(cost(10), frame(10) + ZERO_AHEAD);
    // What has been written once is not written again, up to its last byte.
    assert_eq!(cost(10), frame(10));
    let rest = ZERO_AHEAD - frame(10);
    assert_eq!(cost(rest as usize - frame::FRAME_HEADER), rest);
    assert_eq!(cost(10), frame(10) + ZERO_AHEAD);
    // Nothing is written behind the end of the segment.
    let left = (1 << 20) - ZERO_AHEAD - 2 * frame(10);
    let large = left - frame(0);
    assert_eq!(cost(large as usize - frame::FRAME_HEADER), left);
    assert_eq!(cost(0), frame(0));
    assert_eq!(disk.list().unwrap().len(), 1);
}

#[test]
fn the_buffer_of_a_large_record_is_given_back_and_that_of_small_ones_kept() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 256);
    log.append(7, &vec![1; KEPT_BUFFER + 1]).unwrap();
    assert!(log.buffer.capacity() <= KEPT_BUFFER, "{}", log.buffer.capacity());
    let mut log = open(&MemDisk::new(1), 256);
    log.append(7, b"small").unwrap();
    assert!(log.buffer.capacity() >= frame::frame_bytes(5));
}

#[test]
fn a_batch_never_outgrows_the_field_that_counts_it() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 4 << 20);
    for sequence in 0..=u64::from(MAX_UNSYNCED) {
        assert_eq!(disk.syncs(), 0, "{sequence}");
        log.append(7, b"").unwrap();
    }
    // The last of them had to make the others durable first.
    assert_eq!(disk.syncs(), 1);
    let log = open(&disk.survivor(Crash::LoseAll), 4 << 20);
    assert_eq!(log.next_sequence(), u64::from(MAX_UNSYNCED));
}

/// Segments of exactly three frames: two with a payload and an empty one that ends where the segment ends.
fn two_exact_segments() -> (MemDisk, u32) {
    let space = 2 * frame::frame_bytes(16) as u32 + frame::FRAME_HEADER as u32;
    let disk = MemDisk::new(1);
    let mut log = open(&disk, space);
    for _ in 0..2 {
        for payload in [&[b'a'; 16][..], &[b'b'; 16], &[]] {
            log.append(7, payload).unwrap();
        }
    }
    log.sync().unwrap();
    assert_eq!(disk.list().unwrap().len(), 2);
    (disk, space)
}

fn tail_only(disk: &MemDisk, space: u32) -> Log {
    let options = LogOptions { check: Check::Tail, ..options(space) };
    Log::open(Arc::new(disk.clone()), KIND, CHAIN, options).unwrap().0
}

#[test]
fn a_record_may_end_where_its_segment_ends() {
    let (disk, space) = two_exact_segments();
    for log in [open(&disk, space), tail_only(&disk, space)] {
        let lengths: Vec<usize> = log.replay(0).map(|record| record.unwrap().payload.len()).collect();
        assert_eq!(lengths, [16, 16, 0, 16, 16, 0]);
    }
}

/// A disk that counts the files that are open.
struct Counting {
    disk: MemDisk,
    open: Arc<AtomicUsize>,
}

struct Counted {
    file: Box<dyn DiskFile>,
    open: Arc<AtomicUsize>,
}

impl Counting {
    fn counted(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Box::new(Counted { file, open: Arc::clone(&self.open) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Disk for Counting {
    fn create(&self, name: &str, size: u64, head: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.counted(self.disk.create(name, size, head)?))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.counted(self.disk.open(name)?))
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn nonce(&self) -> io::Result<u64> {
        self.disk.nonce()
    }
    fn path(&self, name: &str) -> String {
        self.disk.path(name)
    }
}

impl DiskFile for Counted {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

#[test]
fn few_sealed_segments_are_kept_open_and_pruned_ones_are_closed() {
    let disk = MemDisk::new(1);
    fill(&mut open(&disk, 256), 300);
    let held = Arc::new(AtomicUsize::new(0));
    let counting = Counting { disk, open: Arc::clone(&held) };
    let (mut log, _) = Log::open(Arc::new(counting), KIND, CHAIN, options(256)).unwrap();
    assert_eq!(held.load(Ordering::Relaxed), 1, "the active one");
    for sequence in 0..250 {
        log.read(sequence).unwrap().unwrap();
        assert!(held.load(Ordering::Relaxed) <= 1 + reader::OPEN_SEGMENTS);
    }
    assert_eq!(held.load(Ordering::Relaxed), 1 + reader::OPEN_SEGMENTS);
    // Read again, a segment that is open is not opened anew; pruned, it is closed and the others stay.
    let (oldest, newest) = (log.first_sequence(), 249);
    log.read(oldest).unwrap().unwrap();
    assert_eq!(held.load(Ordering::Relaxed), 1 + reader::OPEN_SEGMENTS);
    assert!(log.prune(20).unwrap() > 1);
    assert_eq!(held.load(Ordering::Relaxed), reader::OPEN_SEGMENTS);
    log.read(newest).unwrap().unwrap();
    assert_eq!(held.load(Ordering::Relaxed), reader::OPEN_SEGMENTS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Batches of records, a crash that keeps any part of what was not synced, again and again: what was synced is
    /// there, in order, and what is there was written.
    #[test]
    fn crashes_lose_only_a_tail_that_was_not_synced(
        seed: u64,
        space in 200_u32..3000,
        rounds in prop::collection::vec(
            (prop::collection::vec(0_usize..400, 0..12), 0_usize..12, any::<u64>()), 1..8),
    ) {
        let mut disk = MemDisk::new(seed);
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (round, (lengths, sync_at, crash)) in rounds.into_iter().enumerate() {
            let (mut log, _) = try_open(&disk, space).unwrap();
            let held = log.next_sequence() as usize;
            prop_assert!(held <= model.len());
            model.truncate(held);
            let records: Vec<Record> = log.replay(0).map(Result::unwrap).collect();
            prop_assert_eq!(records.len(), held);
            for (record, expected) in records.iter().zip(&model) {
                prop_assert_eq!(&record.payload, expected);
            }
            let mut durable = held;
            for (index, length) in lengths.into_iter().enumerate() {
                // All records of one length look alike but for the round, so a stale one would be noticed.
                let payload = vec![round as u8 + 1; length];
                log.append(1, &payload).unwrap();
                model.push(payload);
                if index == sync_at {
                    log.sync().unwrap();
                    durable = model.len();
                }
            }
            disk = disk.survivor(match crash % 4 {
                0 => Crash::KeepAll,
                1 => Crash::LoseAll,
                2 => Crash::Prefix(crash % 2000),
                _ => Crash::Random(crash),
            });
            let (log, _) = try_open(&disk, space).unwrap();
            prop_assert!(log.next_sequence() as usize >= durable);
        }
    }
}
