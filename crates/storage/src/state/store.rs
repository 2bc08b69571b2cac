//! What a backend of the state must do, and the one in memory that defines it.
//!
//! Invariant: a batch and its height become visible, and survive a crash, as a whole or not at all.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use vostro_execution::state::head;

use crate::GenesisHash;
use crate::error::StorageError;

/// Largest value: larger ones would leave sled's log for files that it never syncs.
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Largest key, its table prefix included.
pub const MAX_KEY_BYTES: usize = 1024;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// New values by key; `None` deletes. Keys carry their table prefix, so none is empty or begins with zero.
pub type Changes = BTreeMap<Key, Option<Vec<u8>>>;

/// A key of state or indexes, in the order of its bytes. What it begins with lies beside it, so most keys are compared
/// without a look at their bytes elsewhere in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// [`head`] of the bytes. Keys of one head are ordered by their bytes.
    head: u128,
    bytes: Vec<u8>,
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Key { head: head(&bytes), bytes }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// An ordered map of bytes with a height.
pub trait StateStore: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// At most `limit` entries of `from..to`, in key order; nothing when `from` is not below `to`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError>;

    /// Applies `changes` and sets the height, atomically. The height rises.
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`], [`StorageError::TooLarge`] and [`StorageError::ReservedKey`] change nothing; else
    /// when the store cannot be written.
    fn apply(&self, height: u64, changes: &Changes) -> Result<(), StorageError>;

    /// Height of the last batch; `None` before the first.
    fn height(&self) -> Option<u64>;

    /// Makes everything applied durable.
    ///
    /// # Errors
    /// When the device refuses.
    fn checkpoint(&self) -> Result<(), StorageError>;
}

/// True for keys no table owns: the store keeps its own under prefix 0.
fn reserved(key: &[u8]) -> bool {
    key.first().is_none_or(|table| *table == 0)
}

/// Checks the sizes of keys and values, and that a table owns each key.
///
/// # Errors
/// [`StorageError::TooLarge`], [`StorageError::ReservedKey`].
pub fn check_changes<'a>(
    changes: impl IntoIterator<Item = (&'a Key, &'a Option<Vec<u8>>)>,
) -> Result<(), StorageError> {
    for (key, value) in changes {
        if reserved(key) {
            return Err(StorageError::ReservedKey);
        }
        let value = value.as_ref().map_or(0, Vec::len);
        for (bytes, limit) in [(key.len(), MAX_KEY_BYTES), (value, MAX_VALUE_BYTES)] {
            if bytes > limit {
                return Err(StorageError::TooLarge { bytes, limit });
            }
        }
    }
    Ok(())
}

/// Checks that `height` is above the one held.
fn check_height(held: Option<u64>, height: u64) -> Result<(), StorageError> {
    match held {
        Some(held) if height <= held => {
            Err(StorageError::OutOfOrder { what: "height", expected: held.saturating_add(1), got: height })
        }
        _ => Ok(()),
    }
}

/// Schema of keys and values below.
pub(super) const SCHEMA: u32 = 1;
/// Keys of the store itself; prefix 0 belongs to no table.
pub(super) const HEIGHT_KEY: &[u8] = b"\0height";
pub(super) const SCHEMA_KEY: &[u8] = b"\0schema";
pub(super) const GENESIS_KEY: &[u8] = b"\0genesis";

/// What a store on disk says of itself.
pub(super) enum Found {
    /// Nothing: it is new.
    New,
    /// It is of this chain, at a height if it has one.
    At(Option<u64>),
}

/// Reads what a store on disk says of itself, through `read`.
///
/// # Errors
/// [`StorageError::StateDamaged`], [`StorageError::NewerSchema`], [`StorageError::WrongChain`].
pub(super) fn identify(
    path: &Path,
    genesis: &GenesisHash,
    is_empty: bool,
    read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StorageError>,
) -> Result<Found, StorageError> {
    let name = || path.display().to_string();
    let damaged = |cause: &str| StorageError::StateDamaged { path: name(), cause: cause.to_owned() };
    match read(SCHEMA_KEY)? {
        None if is_empty => return Ok(Found::New),
        None => return Err(damaged("it has no schema")),
        Some(bytes) => {
            let found = <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes);
            let found = found.map_err(|_| damaged("its schema is malformed"))?;
            if found > SCHEMA {
                return Err(StorageError::NewerSchema { file: name(), found, supported: SCHEMA });
            }
            if read(GENESIS_KEY)?.as_deref() != Some(&genesis[..]) {
                return Err(StorageError::WrongChain { file: name() });
            }
        }
    }
    match read(HEIGHT_KEY)? {
        None => Ok(Found::At(None)),
        Some(bytes) => match <[u8; 8]>::try_from(bytes) {
            Ok(height) => Ok(Found::At(Some(u64::from_be_bytes(height)))),
            Err(_) => Err(damaged("its height is malformed")),
        },
    }
}

/// What a library that keeps keys and values on disk does for an [`OnDisk`] store.
pub trait Library: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// At most `limit` entries of `from..to`, in key order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError>;

    /// Writes `changes` and the value of [`HEIGHT_KEY`] as one batch, which survives a crash as a whole or not at all.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write(&self, changes: &Changes, height: [u8; 8]) -> Result<(), StorageError>;

    /// Makes everything written durable.
    ///
    /// # Errors
    /// When the device refuses.
    fn sync(&self) -> Result<(), StorageError>;
}

/// A store that a library keeps on disk. The store's own keys lie below the first table and are nobody's to read or write.
pub struct OnDisk<L> {
    library: L,
    height: RwLock<Option<u64>>,
}

impl<L> OnDisk<L> {
    pub(super) fn new(library: L, height: Option<u64>) -> Self {
        OnDisk { library, height: RwLock::new(height) }
    }
}

impl<L: Library> StateStore for OnDisk<L> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if reserved(key) { Ok(None) } else { self.library.read(key) }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        let from = from.max(&[1]);
        if from >= to { Ok(Vec::new()) } else { self.library.range(from, to, limit) }
    }

    fn apply(&self, height: u64, changes: &Changes) -> Result<(), StorageError> {
        check_changes(changes)?;
        let mut held = self.height.write().unwrap_or_else(PoisonError::into_inner);
        check_height(*held, height)?;
        self.library.write(changes, height.to_be_bytes())?;
        *held = Some(height);
        Ok(())
    }

    fn height(&self) -> Option<u64> {
        *self.height.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkpoint(&self) -> Result<(), StorageError> {
        self.library.sync()
    }
}

/// A store in memory, for tests and the simulator.
#[derive(Default)]
pub struct MemStore {
    inner: RwLock<Content>,
}

#[derive(Default)]
struct Content {
    height: Option<u64>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl StateStore for MemStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        Ok(inner.entries.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        Ok(inner
            .entries
            .range::<[u8], _>(bounds)
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn apply(&self, height: u64, changes: &Changes) -> Result<(), StorageError> {
        check_changes(changes)?;
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        check_height(inner.height, height)?;
        for (key, value) in changes {
            match value {
                Some(value) => inner.entries.insert(key.to_vec(), value.clone()),
                None => inner.entries.remove(&**key),
            };
        }
        inner.height = Some(height);
        Ok(())
    }

    fn height(&self) -> Option<u64> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).height
    }

    fn checkpoint(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
