//! A node's home on disk: where things are, who holds it, and which schema it has.
//!
//! Invariant: while a [`Home`] lives, no other process on this machine has the same one; a home of a newer schema is
//! refused before anything in it is touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use crate::disk::{create_dir_durably, replace_file, sync_dir};
use crate::error::StorageError;

/// Layout of a home; raised when a directory is moved or a file changes meaning.
pub const HOME_SCHEMA: u32 = 1;
/// Holds the schema as decimal digits.
const SCHEMA_FILE: &str = "SCHEMA";
const LOCK_FILE: &str = "LOCK";
/// More than this is neither a schema nor a process id.
const MAX_NUMBER_BYTES: u64 = 32;

/// A node's home, locked.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    /// The lock lasts as long as this file is open.
    _lock: File,
}

fn number_in(path: &Path) -> io::Result<Option<u32>> {
    let mut text = String::new();
    File::open(path)?.take(MAX_NUMBER_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().parse().ok())
}

impl Home {
    /// Locks the home and makes its directories, durably, where they are missing.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it, [`StorageError::NewerSchema`],
    /// [`StorageError::Malformed`], or when the file system refuses.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        let text = |path: &Path| path.display().to_string();
        let make = |path: &Path| {
            create_dir_durably(path).map_err(|source| StorageError::io("make", path.display().to_string(), source))
        };
        make(&root)?;

        let lock_path = root.join(LOCK_FILE);
        let failed = |source| StorageError::io("lock", lock_path.display().to_string(), source);
        let mut lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(failed)?;
        match FileExt::try_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StorageError::Locked { path: text(&lock_path), pid: number_in(&lock_path).ok().flatten() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only for people who find the home locked; the lock itself is the kernel's and ends with the process.
        lock.set_len(0).map_err(failed)?;
        lock.write_all(std::process::id().to_string().as_bytes()).map_err(failed)?;

        let home = Self { root, _lock: lock };
        let schema_path = home.data().join(SCHEMA_FILE);
        match number_in(&schema_path) {
            Ok(Some(HOME_SCHEMA)) => {}
            Ok(Some(found)) if found > HOME_SCHEMA => {
                return Err(StorageError::NewerSchema { file: text(&schema_path), found, supported: HOME_SCHEMA });
            }
            Ok(_) => {
                return Err(StorageError::Malformed { path: text(&schema_path), expected: "a schema number" });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&home.data())?;
                replace_file(&schema_path, format!("{HOME_SCHEMA}\n").as_bytes())
                    .map_err(|source| StorageError::io("write", text(&schema_path), source))?;
            }
            Err(source) => return Err(StorageError::io("read", text(&schema_path), source)),
        }
        for path in [home.signer(), home.snapshots()] {
            make(&path)?;
        }
        sync_dir(&home.root).map_err(|source| StorageError::io("sync", text(&home.root), source))?;
        Ok(home)
    }

    /// The home itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Logs and state.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Segments of the consensus log.
    pub fn consensus_log(&self) -> PathBuf {
        self.data().join("consensus")
    }

    /// Segments of the block log.
    pub fn block_log(&self) -> PathBuf {
        self.data().join("blocks")
    }

    /// The state store; may be deleted, the node rebuilds it.
    pub fn state(&self) -> PathBuf {
        self.data().join("state")
    }

    /// The leaves of the state tree; may be deleted, the node reads the state instead.
    pub fn leaves(&self) -> PathBuf {
        crate::leaves::dir_of(&self.root)
    }

    /// The guard's record; never deleted.
    pub fn signer(&self) -> PathBuf {
        self.root.join("signer")
    }

    /// Snapshots made or fetched.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Bytes of all files below `data/`, for people and metrics.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn data_bytes(&self) -> Result<u64, StorageError> {
        fn bytes_below(path: &Path) -> io::Result<u64> {
            let mut total: u64 = 0;
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let part = match entry.metadata() {
                    Ok(meta) if meta.is_dir() => bytes_below(&entry.path())?,
                    Ok(meta) => meta.len(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                    Err(error) => return Err(error),
                };
                total = total.saturating_add(part);
            }
            Ok(total)
        }
        bytes_below(&self.data())
            .map_err(|source| StorageError::io("measure", self.data().display().to_string(), source))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep").join("home");
        let home = Home::open(&root).unwrap();
        match Home::open(&root).unwrap_err() {
            StorageError::Locked { path, pid } => {
                assert_eq!(path, root.join("LOCK").display().to_string());
                assert_eq!(pid, Some(std::process::id()));
            }
            other => panic!("{other}"),
        }
        drop(home);
        let home = Home::open(&root).unwrap();
        assert!(home.signer().is_dir() && home.snapshots().is_dir());
        assert_eq!(fs::read(home.data().join("SCHEMA")).unwrap(), b"1\n");
        assert_eq!(home.data_bytes().unwrap(), 2);
    }

    #[test]
    fn a_newer_or_malformed_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let schema = Home::open(dir.path()).unwrap().data().join("SCHEMA");
        fs::write(&schema, "2\n").unwrap();
        let error = Home::open(dir.path()).unwrap_err();
        assert!(matches!(error, StorageError::NewerSchema { found: 2, supported: 1, .. }));
        assert!(error.to_string().contains("start the newer program"));
        fs::write(&schema, "one").unwrap();
        assert!(matches!(Home::open(dir.path()).unwrap_err(), StorageError::Malformed { .. }));
    }
}
