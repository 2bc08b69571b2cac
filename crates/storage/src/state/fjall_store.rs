//! The state store on disk, in fjall.
//!
//! Invariant: height marker and content are one batch, or the tables of one ingestion, in one keyspace, so they are at the
//! same height after any crash. Batches survive the end of the process, and that of the machine from
//! [`super::StateStore::checkpoint`] or fjall's own flush on. What is ingested is durable at once, and with it everything before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fjall::compaction::Leveled;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::backend::{Backend, refuse_other};
use super::store::{Changes, Entry, Found, GENESIS_KEY, HEIGHT_KEY, Library, OnDisk, SCHEMA, SCHEMA_KEY, identify};
use crate::GenesisHash;
use crate::disk::create_dir_durably;
use crate::error::StorageError;

/// fjall lets go of its lock from a thread of its own, some time after the store was dropped.
const LOCK_ATTEMPTS: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
// A store keeps the numbers that it was made with: fjall reads them back when it opens one.

/// What is written lately stays in memory up to this size, then becomes a table on disk.
const MEMTABLE_BYTES: u64 = 32 << 20;
/// So many tables, whoever made them, are merged into those below at once. Merging is most of what a large state costs to write; more of them
/// would cost reads, which ask each one's filter.
const UNMERGED_TABLES: u8 = 16;
/// What is merged becomes tables of this size. The level they go to has room for as many as may be unmerged, 512 MiB, and is written anew
/// each time: a smaller one would make that cheaper, and dearer what it hands on to the level below.
const TABLE_BYTES: u64 = 32 << 20;
/// Journals on disk; the least that fjall takes.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Changes of so many bytes are sorted already and become a table as they are, without journal and table in memory. Tables
/// are merged by their number, so small ones would be merged with all below them too often.
const INGESTED_BYTES: usize = 12 << 20;
/// With so many tables not merged, changes go through the journal, which is slower: fjall stops its writers at 30, but not what is ingested.
const CROWDED_TABLES: usize = UNMERGED_TABLES as usize + 10;

/// fjall behind [`super::StateStore`].
pub type FjallStore = OnDisk<Fjall>;

/// fjall as a store uses it.
pub struct Fjall {
    db: Database,
    entries: Keyspace,
    path: PathBuf,
    ingested_bytes: usize,
}

impl FjallStore {
    /// Opens the store in `path`, or makes an empty one.
    ///
    /// # Errors
    /// [`StorageError::StateDamaged`] when fjall cannot open it: [`super::wipe`] it and replay;
    /// [`StorageError::WrongChain`], [`StorageError::NewerSchema`], [`StorageError::Locked`].
    pub fn open(path: impl Into<PathBuf>, genesis: GenesisHash, cache_bytes: u64) -> Result<Self, StorageError> {
        Self::open_ingesting(path, genesis, cache_bytes, INGESTED_BYTES)
    }

    /// The same, where changes of `ingested_bytes` and more become tables at once. For tests: [`FjallStore::open`] knows
    /// how many.
    ///
    /// # Errors
    /// As [`FjallStore::open`].
    pub fn open_ingesting(
        path: impl Into<PathBuf>,
        genesis: GenesisHash,
        cache_bytes: u64,
        ingested_bytes: usize,
    ) -> Result<Self, StorageError> {
        let path = path.into();
        create_dir_durably(&path).map_err(|source| StorageError::io("make", path.display().to_string(), source))?;
        refuse_other(&path, Backend::Fjall)?;
        let db = open_database(&path, cache_bytes)?;
        let failed = |error: fjall::Error| damaged(&path, &error);
        let options = || {
            let merging = Leveled::default().with_l0_threshold(UNMERGED_TABLES).with_table_target_size(TABLE_BYTES);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .compaction_strategy(Arc::new(merging))
                .manual_journal_persist(true)
        };
        let entries = db.keyspace("state", options).map_err(failed)?;
        let read = |key: &[u8]| match entries.get(key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(damaged(&path, &error)),
        };
        let is_empty = entries.is_empty().map_err(failed)?;
        let height = match identify(&path, &genesis, is_empty, read)? {
            Found::At(height) => height,
            Found::New => {
                let mut batch = db.batch();
                batch.insert(&entries, SCHEMA_KEY, SCHEMA.to_be_bytes());
                batch.insert(&entries, GENESIS_KEY, genesis);
                batch.commit().map_err(failed)?;
                None
            }
        };
        Ok(OnDisk::new(Fjall { db, entries, path, ingested_bytes }, height))
    }
}

impl Fjall {
    /// Writes a table of its own. The store's keys come before all others, and [`Changes`] are in order.
    fn ingest(&self, changes: &Changes, height: [u8; 8]) -> fjall::Result<()> {
        // Of all writers this one alone does not hear of a failure in the background.
        self.db.persist(PersistMode::Buffer)?;
        // An ingestion writes the table in memory out by itself. Then that is never full, which is when fjall ends a
        // journal: it would grow without end.
        if self.db.journal_disk_space()? > JOURNAL_BYTES {
            self.entries.rotate_memtable()?;
        }
        let mut table = self.entries.start_ingestion()?;
        table.write(HEIGHT_KEY, height)?;
        for (key, value) in changes {
            match value {
                Some(value) => table.write(&**key, value.as_slice())?,
                None => table.write_tombstone(&**key)?,
            }
        }
        table.finish()
    }

    fn journal(&self, changes: &Changes, height: [u8; 8]) -> fjall::Result<()> {
        let mut batch = OwnedWriteBatch::with_capacity(self.db.clone(), changes.len() + 1);
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.entries, &**key, value.as_slice()),
                None => batch.remove(&self.entries, &**key),
            }
        }
        batch.insert(&self.entries, HEIGHT_KEY, height);
        batch.commit()?;
        // Out of this process, so that only the machine's end loses it.
        self.db.persist(PersistMode::Buffer)
    }

    fn failed(&self, error: &fjall::Error) -> StorageError {
        damaged(&self.path, error)
    }
}

fn damaged(path: &Path, error: &fjall::Error) -> StorageError {
    StorageError::StateDamaged { path: path.display().to_string(), cause: error.to_string() }
}

/// Opens the database; waits, within bounds, until nobody else has it open.
fn open_database(path: &Path, cache_bytes: u64) -> Result<Database, StorageError> {
    for _ in 0..LOCK_ATTEMPTS {
        let opened = Database::builder(path)
            .cache_size(cache_bytes)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .open();
        match opened {
            Ok(db) => return Ok(db),
            Err(fjall::Error::Locked) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(damaged(path, &error)),
        }
    }
    Err(StorageError::Locked { path: path.display().to_string(), pid: None })
}

impl Library for Fjall {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.entries.get(key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        self.entries
            .range(from..to)
            .take(limit)
            .map(|entry| match entry.into_inner() {
                Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
                Err(error) => Err(self.failed(&error)),
            })
            .collect()
    }

    fn write(&self, changes: &Changes, height: [u8; 8]) -> Result<(), StorageError> {
        let bytes = changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        let written = if bytes >= self.ingested_bytes && self.entries.l0_table_count() < CROWDED_TABLES {
            self.ingest(changes, height)
        } else {
            self.journal(changes, height)
        };
        written.map_err(|error| self.failed(&error))
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.db.persist(PersistMode::SyncAll).map_err(|error| self.failed(&error))
    }
}
