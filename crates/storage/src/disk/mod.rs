//! The few disk operations the logs and the guard need, so that the same code runs on files and in a simulation.
//!
//! Contract: `create` and `remove` are durable when they return; bytes written with `write_at` are durable only after
//! `sync`, and before that any part of them may survive a crash, in any order.

mod dir;
mod mem;

pub use dir::DirDisk;
pub(crate) use dir::{create_dir_durably, remove_unfinished, replace_file, sync_dir};
pub use mem::{Crash, MemDisk};

use std::io;

/// One directory of preallocated files.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file of exactly `size` bytes: `head`, then zeros. Whole and durable when it returns, or absent.
    ///
    /// # Errors
    /// When the file exists, `head` is longer than `size`, or the device refuses.
    fn create(&self, name: &str, size: u64, head: &[u8]) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// When the file does not exist or the device refuses.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Names of all files, sorted.
    ///
    /// # Errors
    /// When the device refuses.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file, durably.
    ///
    /// # Errors
    /// When the file does not exist or the device refuses.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// A number that an outsider cannot guess; `MemDisk` draws it from its seed.
    ///
    /// # Errors
    /// When the source of randomness refuses.
    fn nonce(&self) -> io::Result<u64>;

    /// How people call the file: used in errors only.
    fn path(&self, name: &str) -> String;
}

/// One open file of fixed length.
pub trait DiskFile: Send + Sync {
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// When the range reaches beyond the file or the device refuses.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; not durable before [`DiskFile::sync`].
    ///
    /// # Errors
    /// When the range reaches beyond the file or the device refuses.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every byte written so far durable (`fdatasync`).
    ///
    /// # Errors
    /// When the device refuses; what was written since the last sync is then in an unknown state.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// When the device refuses.
    fn size(&self) -> io::Result<u64>;
}
