//! The state store on disk, in sled.
//!
//! Invariant: height marker and content are one sled batch in one tree, so they are at the same height after any
//! crash. sled does not sync its files; [`super::StateStore::checkpoint`] does, and everything later may be lost.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs4::{FileExt, TryLockError};

use super::backend::{Backend, refuse_other};
use super::store::{Changes, Entry, Found, GENESIS_KEY, HEIGHT_KEY, Library, OnDisk, SCHEMA, SCHEMA_KEY, identify};
use crate::GenesisHash;
use crate::disk::{create_dir_durably, sync_dir};
use crate::error::StorageError;

/// Memory for sled's page cache, unless the configuration says otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 64 << 20;
/// sled lets go of its file from a thread of its own, some time after the store was dropped.
const LOCK_ATTEMPTS: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// sled behind [`super::StateStore`].
pub type SledStore = OnDisk<Sled>;

/// sled as a store uses it.
pub struct Sled {
    db: sled::Db,
    path: PathBuf,
}

impl SledStore {
    /// Opens the store in `path`, or makes an empty one.
    ///
    /// # Errors
    /// [`StorageError::StateDamaged`] when sled cannot open it: [`super::wipe`] it and replay;
    /// [`StorageError::WrongChain`], [`StorageError::NewerSchema`].
    pub fn open(path: impl Into<PathBuf>, genesis: GenesisHash, cache_bytes: u64) -> Result<Self, StorageError> {
        let path = path.into();
        create_dir_durably(&path).map_err(|source| StorageError::io("make", path.display().to_string(), source))?;
        refuse_other(&path, Backend::Sled)?;
        wait_until_closed(&path)?;
        // No timed flush: the writer of the state decides when, and a checkpoint syncs.
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        // sled asserts while it recovers; where panics unwind, a damaged store becomes an error like any other.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        let damaged = |cause: String| StorageError::StateDamaged { path: path.display().to_string(), cause };
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(damaged(error.to_string())),
            Err(_) => return Err(damaged("sled panicked during recovery".to_owned())),
        };
        let read = |key: &[u8]| match db.get(key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(damaged(error.to_string())),
        };
        let height = match identify(&path, &genesis, db.is_empty(), read)? {
            Found::At(height) => height,
            Found::New => {
                let mut batch = sled::Batch::default();
                batch.insert(SCHEMA_KEY, &SCHEMA.to_be_bytes());
                batch.insert(GENESIS_KEY, &genesis);
                db.apply_batch(batch).map_err(|error| damaged(error.to_string()))?;
                None
            }
        };
        Ok(OnDisk::new(Sled { db, path }, height))
    }
}

impl Sled {
    fn failed(&self, error: &sled::Error) -> StorageError {
        StorageError::StateDamaged { path: self.path.display().to_string(), cause: error.to_string() }
    }
}

impl Library for Sled {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.db.get(key) {
            Ok(value) => Ok(value.map(|value| value.to_vec())),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        self.db
            .range(from..to)
            .take(limit)
            .map(|entry| match entry {
                Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
                Err(error) => Err(self.failed(&error)),
            })
            .collect()
    }

    fn write(&self, changes: &Changes, height: [u8; 8]) -> Result<(), StorageError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&**key, value.as_slice()),
                None => batch.remove(&**key),
            }
        }
        batch.insert(HEIGHT_KEY, &height);
        self.db.apply_batch(batch).map_err(|error| self.failed(&error))
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.db.flush().map_err(|error| self.failed(&error))?;
        // On Linux sled 0.34's flush asks for write-back of the data (`sync_file_range`) without a barrier and leaves
        // large values in files of their own unsynced.
        sync_tree(&self.path).map_err(|source| StorageError::io("sync", self.path.display().to_string(), source))
    }
}

/// Waits, within bounds, until nobody has the database in `path` open.
pub(super) fn wait_until_closed(path: &Path) -> Result<(), StorageError> {
    let file = path.join("db");
    let failed = |source| StorageError::io("lock", file.display().to_string(), source);
    let lock = match File::open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for _ in 0..LOCK_ATTEMPTS {
        match FileExt::try_lock(&lock) {
            Ok(()) => return FileExt::unlock(&lock).map_err(failed),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(StorageError::Locked { path: file.display().to_string(), pid: None })
}

/// Syncs every file below a directory, and the directories.
fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
            continue;
        }
        match File::open(entry.path()) {
            Ok(file) => file.sync_all()?,
            // sled drops files it no longer needs from a thread of its own.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sync_dir(path)
}
