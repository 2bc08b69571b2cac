//! What a node finds on its own disk: after a crash, a bad device, or in the hands of somebody who can write there.
//!
//! Invariant: files are opened on a disk in memory. Checksums that a change made wrong are made right again half of the
//! time (the first byte of an input says so), for otherwise nothing behind a checksum would ever be reached.

use std::sync::Arc;

use vostro_engine::StoredBlock;
use vostro_storage::disk::{Disk, MemDisk};
use vostro_storage::log::{Check, Log, LogOptions, Record};
use vostro_storage::{BlockLog, BlockRecord, FIRST_HEIGHT, Guard, StorageError};
use vostro_types::Height;
use vostro_types::codec::encode;

use super::{Outcome, SLACK, Target, wire_budget};
use crate::mutate::Shape;

const GENESIS: [u8; 32] = [7; 32];
/// Kind byte of a block log (docs/storage.md), and of its frames.
const BLOCK_LOG: u8 = 2;
const BLOCK_FRAME: u8 = 1;
/// Height of the block of the samples.
pub(super) const HEIGHT: u64 = FIRST_HEIGHT;
const HEADER_PAGE: usize = 4096;
const FRAME_HEADER: usize = 24;
const SMALL: LogOptions = LogOptions { segment_bytes: 4096 + 1024, check: Check::Everything };
const GUARD_FILE: &str = "guard";
const SLOT: usize = 8192;

/// Bits of an input's first byte: make the checksums right; number the frames on from what the header says.
const REPAIR: u8 = 1;
const RENUMBER: u8 = 2;

pub(super) fn targets() -> Vec<Target> {
    let binary = |name, property, longest, samples, run| Target {
        name,
        property,
        shape: Shape::Binary,
        longest,
        // The file on the disk (twice: as written and as durable), the same opened again, and each read whole.
        budget: |length| 24 * length + 16 * SLACK,
        samples,
        run,
    };
    vec![
        binary(
            "log_segments",
            "opening recovers or says what is wrong; what was recovered is found again, and the log goes on",
            HEADER_PAGE + 8192,
            || segment_samples(1),
            |bytes| segments(bytes, &[]),
        ),
        binary(
            "log_segments_sealed",
            "the same with a good segment behind it",
            HEADER_PAGE + 8192,
            || segment_samples(2),
            |bytes| SEALED.with(|next| segments(bytes, next)),
        ),
        binary(
            "guard_file",
            "opening gives a payload or says what is wrong; the next payload written is the one loaded",
            1 + 2 * SLOT + 64,
            guard_samples,
            guard_file,
        ),
    ]
}

fn refused(error: &StorageError) -> Outcome {
    Outcome::refused(format_args!("{error} {error:?}"))
}

/// A log whose records fill a segment and a half, and the bytes of its segments.
fn written() -> Vec<Vec<u8>> {
    let disk = MemDisk::new(1);
    let (mut log, _) = Log::open(Arc::new(disk.clone()), BLOCK_LOG, GENESIS, SMALL).expect("an empty disk opens");
    for i in 0..12_u8 {
        log.append(BLOCK_FRAME, &vec![i; usize::from(i) * 13 % 150]).expect("memory does not fail");
        if i % 3 == 2 {
            log.sync().expect("memory does not fail");
        }
    }
    log.sync().expect("memory does not fail");
    let names = disk.list().expect("memory does not fail");
    names.iter().filter_map(|name| disk.bytes(name)).collect()
}

thread_local! {
    static SEALED: Vec<u8> = written().remove(1);
}

fn segment_samples(segments: usize) -> Vec<Vec<u8>> {
    // Alone, any segment number 0 is a good log; with the second one behind it, only the first.
    let mut first = written().remove(0);
    let mut samples = Vec::new();
    for repair in [0, REPAIR, REPAIR | RENUMBER] {
        samples.push([&[repair][..], &first].concat());
    }
    if segments == 1 {
        first.truncate(HEADER_PAGE);
        first[64..72].copy_from_slice(&(HEADER_PAGE as u64).to_le_bytes());
        samples.push([&[REPAIR][..], &first].concat());
    }
    samples
}

/// Makes the header's length and checksum those of the file, and then those of each frame, as far as frames follow.
fn repair_segment(file: &mut [u8], renumber: bool) {
    if file.len() < HEADER_PAGE {
        return;
    }
    let size = file.len() as u64;
    file[64..72].copy_from_slice(&size.to_le_bytes());
    let crc = crc32fast::hash(&file[..80]);
    file[80..84].copy_from_slice(&crc.to_le_bytes());
    let mut sequence = u64::from_le_bytes(file[56..64].try_into().expect("eight bytes"));
    let nonce = file[72..80].to_vec();
    let crc = |bytes: &[u8]| {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&nonce);
        hasher.update(bytes);
        hasher.finalize().to_le_bytes()
    };
    let mut rest = &mut file[HEADER_PAGE..];
    while rest.len() >= FRAME_HEADER && rest[..FRAME_HEADER].iter().any(|byte| *byte != 0) {
        let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
        if renumber {
            rest[8..16].copy_from_slice(&sequence.to_le_bytes());
            sequence = sequence.wrapping_add(1);
        }
        if let Some(payload) = rest.get(FRAME_HEADER..FRAME_HEADER.saturating_add(length)) {
            let sum = crc(payload);
            rest[16..20].copy_from_slice(&sum);
        }
        let sum = crc(&rest[4..FRAME_HEADER]);
        rest[..4].copy_from_slice(&sum);
        let whole = FRAME_HEADER.saturating_add(length.next_multiple_of(8));
        let Some((_, after)) = rest.split_at_mut_checked(whole) else { return };
        rest = after;
    }
}

fn open(disk: &MemDisk, check: Check) -> Result<Log, StorageError> {
    Log::open(Arc::new(disk.clone()), BLOCK_LOG, GENESIS, LogOptions { check, ..SMALL }).map(|(log, _)| log)
}

fn replayed(log: &Log) -> Result<Vec<Record>, StorageError> {
    log.replay(0).collect()
}

fn segments(bytes: &[u8], next: &[u8]) -> Outcome {
    let Some((how, file)) = bytes.split_first() else { return Outcome::refused("empty") };
    let mut file = file.to_vec();
    if how & REPAIR != 0 {
        repair_segment(&mut file, how & RENUMBER != 0);
    }
    let disk = MemDisk::new(2);
    let put = |name, bytes: &[u8]| {
        disk.create(name, bytes.len() as u64, bytes).map(drop).expect("memory does not fail");
    };
    put("0000000000.log", &file);
    if !next.is_empty() {
        put("0000000001.log", next);
    }
    // What is checked late must be found late: with the tail checked only, damage shows when records are read.
    if let Ok(log) = open(&disk, Check::Tail) {
        let reader = log.reader();
        let first = log.first_sequence();
        for sequence in (first..reader.durable_end()).take(64) {
            // damage is an answer; what is asked for here is that there is one
            let _ = reader.read(sequence);
        }
    }
    let mut log = match open(&disk, Check::Everything) {
        Ok(log) => log,
        Err(error) => return refused(&error),
    };
    let records = match replayed(&log) {
        Ok(records) => records,
        Err(error) => panic!("a log that was checked whole cannot be replayed: {error}"),
    };
    assert!(records.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "records are not contiguous");
    let next_sequence = log.next_sequence();
    assert!(records.last().is_none_or(|last| last.sequence + 1 == next_sequence), "a record is missing");
    let appended = log.append(BLOCK_FRAME, b"after recovery").and_then(|sequence| log.sync().map(|()| sequence));
    match appended {
        Ok(sequence) => assert!(sequence == next_sequence),
        Err(error) => return refused(&error),
    }
    drop(log);
    let log = open(&disk, Check::Everything).expect("a log that was appended to opens again");
    let again = replayed(&log).expect("and is replayed again");
    assert!(again.len() == records.len() + 1 && again[..records.len()] == records[..], "recovered records are lost");
    assert!(again[records.len()].payload == b"after recovery");
    Outcome::accepted(format_args!("{}", if records.is_empty() { "no records" } else { "records" }))
}

fn guard_samples() -> Vec<Vec<u8>> {
    let disk = MemDisk::new(1);
    let mut guard = Guard::open(Arc::new(disk.clone()), GENESIS).expect("an empty disk opens");
    let mut samples = Vec::new();
    for payload in [&b"one"[..], b"two, longer", &[3; 300]] {
        guard.write(payload).expect("memory does not fail");
        let file = disk.bytes(GUARD_FILE).expect("it was just written");
        samples.push([&[0][..], &file].concat());
        samples.push([&[REPAIR][..], &file].concat());
    }
    samples
}

fn repair_guard(file: &mut [u8]) {
    for slot in file.chunks_mut(SLOT).filter(|slot| slot.len() == SLOT && slot[..8] != [0; 8]) {
        let length = usize::from(u16::from_le_bytes([slot[10], slot[11]]));
        slot[12..16].fill(0);
        if let Some(used) = slot.get(..56 + length) {
            let crc = crc32fast::hash(used);
            slot[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

fn guard_file(bytes: &[u8]) -> Outcome {
    let Some((how, file)) = bytes.split_first() else { return Outcome::refused("empty") };
    let mut file = file.to_vec();
    if how & REPAIR != 0 {
        // changes move the end; the length has a check of its own, reached by inputs without repair
        file.resize(2 * SLOT, 0);
        repair_guard(&mut file);
    }
    let disk = MemDisk::new(2);
    disk.create(GUARD_FILE, file.len() as u64, &file).map(drop).expect("memory does not fail");
    let open = || Guard::open(Arc::new(disk.clone()), GENESIS);
    let mut guard = match open() {
        Ok(guard) => guard,
        Err(error) => return refused(&error),
    };
    assert!(guard.load().is_some(), "a file without a payload was taken for a new one");
    if let Err(error) = guard.write(b"after recovery") {
        return refused(&error);
    }
    let again = open().expect("a guard that was written opens again");
    assert!(again.load() == Some(b"after recovery"), "an older payload than the last one is loaded");
    Outcome::accepted("payload")
}

/// The payload of a block record.
pub(super) fn payload(stored: &StoredBlock) -> Vec<u8> {
    let (block, certificate) = (encode(&*stored.block), encode(&stored.certificate));
    let mut out = (block.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&(certificate.len() as u32).to_le_bytes());
    out.extend([block, certificate, encode(&stored.receipts)].concat());
    out
}

pub(super) fn block_record(bytes: &[u8]) -> Outcome {
    let disk = MemDisk::new(3);
    let options = LogOptions { segment_bytes: 4096 + 256, check: Check::Tail };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), BLOCK_LOG, GENESIS, options).expect("an empty disk opens");
    log.start_at(HEIGHT).and_then(|()| log.append(BLOCK_FRAME, bytes)).and_then(|_| log.sync()).expect("it fits");
    drop(log);
    let (blocks, _) = BlockLog::open(Arc::new(disk), GENESIS, options, HEIGHT).expect("a good log opens");
    let record = match blocks.reader().block(HEIGHT) {
        Ok(record) => record.expect("the record was just written"),
        Err(error) => return refused(&error),
    };
    let BlockRecord { height, block, certificate, receipts } = &record;
    assert!(8 + block.len() + certificate.len() + receipts.len() == bytes.len(), "bytes are lost between the parts");
    match StoredBlock::decode(Height(*height), block, certificate, receipts) {
        Ok(stored) => {
            assert!(payload(&stored) == bytes, "what was read is written as other bytes");
            Outcome::accepted("block")
        }
        Err(error) => Outcome::refused(error),
    }
}

/// A block record lies in a log on a disk in memory, is read from there, and is decoded.
pub(super) fn record_budget(length: usize) -> usize {
    wire_budget(length) + 24 * length + 16 * SLACK
}
