//! The signer guard's own record: one small payload, kept in two slots that are written in turn.
//!
//! Invariant: once `write` has returned, `load` gives that payload or a later one, or an error; a record that cannot
//! be read is never replaced by an empty one. A crash inside `write` leaves the payload from before.

use std::sync::Arc;

use crate::GenesisHash;
use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;

/// Largest payload, in bytes.
pub const MAX_GUARD_BYTES: usize = 4096;
/// Name of the file inside `signer/`.
const FILE: &str = "guard";
const MAGIC: [u8; 8] = *b"VSTRGRD\0";
const SCHEMA: u16 = 1;
/// Highest generation of a slot. No guard writes that often, and below it counting on cannot overflow.
const MAX_GENERATION: u64 = i64::MAX.unsigned_abs();
/// Bytes of a slot before the payload.
const SLOT_HEADER: usize = 56;
/// A slot has whole pages of its own, so that writing one never touches the other.
const SLOT_BYTES: usize = 8192;

/// The signer guard's durable record.
pub struct Guard {
    disk: Arc<dyn Disk>,
    genesis: GenesisHash,
    open: Option<Open>,
    stopped: Option<String>,
}

struct Open {
    file: Box<dyn DiskFile>,
    generation: u64,
    slot: usize,
    payload: Vec<u8>,
}

fn encode(genesis: &GenesisHash, generation: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SLOT_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&SCHEMA.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(genesis);
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out);
    out[12..16].copy_from_slice(&crc.to_le_bytes());
    out
}

enum Slot {
    Invalid,
    WrongChain,
    Newer(u16),
    Valid { generation: u64, payload: Vec<u8> },
}

fn decode(genesis: &GenesisHash, slot: &[u8]) -> Slot {
    if slot[..8] != MAGIC {
        return Slot::Invalid;
    }
    let length = usize::from(u16::from_le_bytes([slot[10], slot[11]]));
    if length > MAX_GUARD_BYTES {
        return Slot::Invalid;
    }
    let mut bytes = slot[..SLOT_HEADER + length].to_vec();
    bytes[12..16].fill(0);
    let crc = u32::from_le_bytes([slot[12], slot[13], slot[14], slot[15]]);
    if crc32fast::hash(&bytes) != crc {
        return Slot::Invalid;
    }
    let schema = u16::from_le_bytes([slot[8], slot[9]]);
    if schema > SCHEMA {
        return Slot::Newer(schema);
    }
    if slot[24..56] != *genesis {
        return Slot::WrongChain;
    }
    let mut generation = [0; 8];
    generation.copy_from_slice(&slot[16..24]);
    let generation = u64::from_le_bytes(generation);
    if generation > MAX_GENERATION {
        return Slot::Invalid;
    }
    Slot::Valid { generation, payload: bytes.split_off(SLOT_HEADER) }
}

impl Guard {
    /// Opens the record in `disk`; the file is made by the first write.
    ///
    /// # Errors
    /// [`StorageError::GuardDamaged`] when the file exists and neither slot is valid; a record of another chain or a
    /// newer schema; device failure.
    pub fn open(disk: Arc<dyn Disk>, genesis: GenesisHash) -> Result<Self, StorageError> {
        let path = disk.path(FILE);
        let names = disk.list().map_err(|source| StorageError::io("list", disk.path(""), source))?;
        let mut guard = Self { disk, genesis, open: None, stopped: None };
        if !names.iter().any(|name| name == FILE) {
            return Ok(guard);
        }
        let damaged = || StorageError::GuardDamaged { file: path.clone() };
        let file = guard.disk.open(FILE).map_err(|source| StorageError::io("open", &path, source))?;
        let size = file.size().map_err(|source| StorageError::io("read the length of", &path, source))?;
        if size != 2 * SLOT_BYTES as u64 {
            return Err(damaged());
        }
        let mut bytes = vec![0; 2 * SLOT_BYTES];
        file.read_at(0, &mut bytes).map_err(|source| StorageError::io("read", &path, source))?;
        let mut newest = None;
        for (slot, bytes) in bytes.chunks(SLOT_BYTES).enumerate() {
            match decode(&guard.genesis, bytes) {
                Slot::Invalid => {}
                Slot::WrongChain => return Err(StorageError::WrongChain { file: path }),
                Slot::Newer(found) => {
                    return Err(StorageError::NewerSchema {
                        file: path,
                        found: u32::from(found),
                        supported: u32::from(SCHEMA),
                    });
                }
                // The generation leads, so the greatest is the newest.
                Slot::Valid { generation, payload } => newest = newest.max(Some((generation, slot, payload))),
            }
        }
        let Some((generation, slot, payload)) = newest else {
            return Err(damaged());
        };
        // A process that was killed may have left its last write in the page cache only.
        file.sync().map_err(|source| StorageError::io("sync", &path, source))?;
        guard.open = Some(Open { file, generation, slot, payload });
        Ok(guard)
    }

    /// The payload written last; `None` when there never was one.
    pub fn load(&self) -> Option<&[u8]> {
        self.open.as_ref().map(|open| open.payload.as_slice())
    }

    /// Replaces the record; durable when this returns.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] changes nothing; a device failure stops the guard for good.
    pub fn write(&mut self, payload: &[u8]) -> Result<(), StorageError> {
        if let Some(cause) = &self.stopped {
            return Err(StorageError::Stopped { cause: cause.clone() });
        }
        if payload.len() > MAX_GUARD_BYTES {
            return Err(StorageError::TooLarge { bytes: payload.len(), limit: MAX_GUARD_BYTES });
        }
        let result = self.write_slot(payload);
        if let Err(error) = &result {
            self.stopped = Some(error.to_string());
        }
        result
    }

    fn write_slot(&mut self, payload: &[u8]) -> Result<(), StorageError> {
        let path = self.disk.path(FILE);
        let Some(open) = &mut self.open else {
            // The file appears with its first slot filled: it is never there without a valid one.
            let file = self
                .disk
                .create(FILE, 2 * SLOT_BYTES as u64, &encode(&self.genesis, 1, payload))
                .map_err(|source| StorageError::io("create", &path, source))?;
            self.open = Some(Open { file, generation: 1, slot: 0, payload: payload.to_vec() });
            return Ok(());
        };
        let generation = open.generation + 1;
        let slot = 1 - open.slot;
        open.file
            .write_at((slot * SLOT_BYTES) as u64, &encode(&self.genesis, generation, payload))
            .map_err(|source| StorageError::io("write", &path, source))?;
        open.file.sync().map_err(|source| StorageError::io("sync", &path, source))?;
        open.generation = generation;
        open.slot = slot;
        open.payload = payload.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::disk::{Crash, MemDisk};

    const CHAIN: GenesisHash = [7; 32];

    fn open(disk: &MemDisk) -> Result<Guard, StorageError> {
        Guard::open(Arc::new(disk.clone()), CHAIN)
    }

    fn written(payloads: &[&[u8]]) -> MemDisk {
        let disk = MemDisk::new(1);
        let mut guard = open(&disk).unwrap();
        for payload in payloads {
            guard.write(payload).unwrap();
        }
        disk
    }

    #[test]
    fn the_last_payload_is_loaded() {
        let disk = MemDisk::new(1);
        let mut guard = open(&disk).unwrap();
        assert_eq!(guard.load(), None);
        for round in 0..5_u8 {
            let payload = vec![round; usize::from(round) * 1000 % 4097];
            guard.write(&payload).unwrap();
            assert_eq!(guard.load(), Some(payload.as_slice()));
            let lost = disk.survivor(Crash::LoseAll);
            assert_eq!(open(&lost).unwrap().load(), Some(payload.as_slice()));
        }
        let full = vec![9; MAX_GUARD_BYTES];
        guard.write(&full).unwrap();
        assert_eq!(open(&disk).unwrap().load(), Some(full.as_slice()));
    }

    #[test]
    fn a_payload_above_the_limit_changes_nothing() {
        let disk = written(&[b"kept"]);
        let mut guard = open(&disk).unwrap();
        assert!(matches!(guard.write(&[0; MAX_GUARD_BYTES + 1]), Err(StorageError::TooLarge { .. })));
        assert_eq!(guard.load(), Some(&b"kept"[..]));
        guard.write(b"next").unwrap();
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_payload_before_it() {
        // The sync is refused, so the slot is written and not synced; every prefix of it may reach the disk.
        let disk = written(&[b"one", b"two, longer", b"three"]);
        let mut guard = open(&disk).unwrap();
        disk.fail_after(1);
        assert!(guard.write(b"four").is_err());
        let whole = disk.unsynced_bytes();
        assert_eq!(whole, SLOT_HEADER as u64 + 4);
        for kept in 0..=whole {
            let torn = disk.survivor(Crash::Prefix(kept));
            let guard = open(&torn).unwrap();
            let expected: &[u8] = if kept == whole { b"four" } else { b"three" };
            assert_eq!(guard.load(), Some(expected), "{kept} bytes kept");
        }
        // And the guard says no to everything after the failure.
        assert!(matches!(guard.write(b"five"), Err(StorageError::Stopped { .. })));
    }

    #[test]
    fn a_payload_found_in_the_page_cache_is_made_durable_before_it_counts() {
        let disk = written(&[b"one"]);
        let mut guard = open(&disk).unwrap();
        disk.fail_after(1);
        assert!(guard.write(b"two").is_err());
        disk.fail_after(1000);
        assert_eq!(open(&disk).unwrap().load(), Some(&b"two"[..]));
        let lost = disk.survivor(Crash::LoseAll);
        assert_eq!(open(&lost).unwrap().load(), Some(&b"two"[..]));
    }

    #[test]
    fn damage_to_one_slot_is_survived_and_to_both_is_an_error() {
        for offset in 0..(SLOT_HEADER + 3) as u64 {
            // Slot 0 holds generation 3 ("two" is generation 2 in slot 1).
            let disk = written(&[b"one", b"two", b"thr"]);
            assert!(disk.corrupt(FILE, offset, 0x40));
            match open(&disk) {
                Ok(guard) => assert_eq!(guard.load(), Some(&b"two"[..])),
                Err(error) => panic!("byte {offset}: {error}"),
            }
            assert!(disk.corrupt(FILE, SLOT_BYTES as u64 + offset, 0x01));
            assert!(matches!(open(&disk), Err(StorageError::GuardDamaged { .. })), "byte {offset}");
        }
    }

    #[test]
    fn a_generation_that_cannot_be_counted_on_is_damage() {
        for (generation, good) in [(MAX_GENERATION, true), (MAX_GENERATION + 1, false), (u64::MAX, false)] {
            let disk = MemDisk::new(1);
            drop(disk.create(FILE, 2 * SLOT_BYTES as u64, &encode(&CHAIN, generation, b"one")).unwrap());
            match open(&disk) {
                Ok(mut guard) => guard.write(b"two").map(|()| assert!(good)).unwrap(),
                Err(error) => assert!(!good && matches!(error, StorageError::GuardDamaged { .. }), "{error}"),
            }
        }
    }

    #[test]
    fn a_record_of_a_newer_schema_is_refused_by_its_number() {
        let mut slot = encode(&CHAIN, 1, b"later");
        slot[8..10].copy_from_slice(&(SCHEMA + 1).to_le_bytes());
        slot[12..16].fill(0);
        let crc = crc32fast::hash(&slot);
        slot[12..16].copy_from_slice(&crc.to_le_bytes());
        let disk = MemDisk::new(1);
        drop(disk.create(FILE, 2 * SLOT_BYTES as u64, &slot).unwrap());
        assert!(matches!(open(&disk), Err(StorageError::NewerSchema { found: 2, supported: 1, .. })));
    }

    #[test]
    fn another_chain_and_an_empty_file_are_refused() {
        let disk = written(&[b"one"]);
        assert!(matches!(Guard::open(Arc::new(disk), [8; 32]), Err(StorageError::WrongChain { .. })));
        let disk = MemDisk::new(1);
        drop(disk.create(FILE, 0, &[]).unwrap());
        assert!(matches!(open(&disk), Err(StorageError::GuardDamaged { .. })));
        let disk = MemDisk::new(1);
        drop(disk.create(FILE, 2 * SLOT_BYTES as u64, &[]).unwrap());
        assert!(matches!(open(&disk), Err(StorageError::GuardDamaged { .. })));
    }
}
