//! Which store is on a disk, and how one is opened and deleted.
//!
//! Invariant: a directory holds one store. What another backend left there is refused, and the state is rebuilt by replay
//! of the block log, never read by the wrong one.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::fjall_store::FjallStore;
use super::sled_store::{SledStore, wait_until_closed};
use super::store::StateStore;
use crate::GenesisHash;
use crate::disk::sync_dir;
use crate::error::StorageError;

/// What keeps the state on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// fjall 3, a log-structured merge tree.
    Fjall,
    /// sled 0.34, a log-structured B-tree.
    Sled,
}

impl Backend {
    /// Every backend.
    pub const ALL: [Backend; 2] = [Backend::Fjall, Backend::Sled];

    /// Its name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Fjall => "fjall",
            Backend::Sled => "sled",
        }
    }

    /// A file that only this backend makes in its directory.
    const fn mark(self) -> &'static str {
        match self {
            Backend::Fjall => "keyspaces",
            Backend::Sled => "conf",
        }
    }

    /// Opens the store in `path`, or makes an empty one, with so much memory for its cache.
    ///
    /// # Errors
    /// [`StorageError::StateDamaged`] when it cannot be opened or another backend made it: [`wipe`] it and replay;
    /// [`StorageError::WrongChain`], [`StorageError::NewerSchema`].
    pub fn open(
        self,
        path: &Path,
        genesis: GenesisHash,
        cache_bytes: u64,
    ) -> Result<Arc<dyn StateStore>, StorageError> {
        Ok(match self {
            Backend::Fjall => Arc::new(FjallStore::open(path, genesis, cache_bytes)?),
            Backend::Sled => Arc::new(SledStore::open(path, genesis, cache_bytes)?),
        })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Backend::ALL.into_iter().find(|backend| backend.name() == text);
        found.ok_or_else(|| format!("there is no state store {text:?}; it is fjall or sled"))
    }
}

/// Refuses a directory in which another backend keeps a store.
pub(super) fn refuse_other(path: &Path, backend: Backend) -> Result<(), StorageError> {
    match Backend::ALL.into_iter().find(|other| *other != backend && path.join(other.mark()).exists()) {
        None => Ok(()),
        Some(other) => Err(StorageError::StateDamaged {
            path: path.display().to_string(),
            cause: format!("{} made it, and the configuration names {}", other.name(), backend.name()),
        }),
    }
}

/// Deletes a store that no process has open; the next [`Backend::open`] makes an empty one, to be filled by replay of the
/// block log.
///
/// # Errors
/// When the file system refuses.
pub fn wipe(path: &Path) -> Result<(), StorageError> {
    wait_until_closed(path)?;
    let failed = |source| StorageError::io("remove", path.display().to_string(), source);
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent).map_err(failed),
        _ => Ok(()),
    }
}
