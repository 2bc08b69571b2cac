//! What a node keeps on disk: two append logs (the truth), the signer guard's record, and the materialised state.
//!
//! Invariant: everything outside the logs and the guard can be deleted and rebuilt from the block log. This crate
//! works on opaque bytes: no block, vote or account type appears here. `docs/storage.md` gives every byte.
//!
//! ```text
//!   Writer (thread) ──► Journal ──► consensus Log   votes and prepared certificates, pruned
//!                          │   ├──► BlockLog        one frame a height, for ever
//!                          │   └──► Guard           two slots, the signer's own memory
//!                          └──► Disk                DirDisk | MemDisk (loses what was not synced)
//!   State (overlay + thread) ──► StateStore         FjallStore | SledStore | MemStore
//!   Leaves (two threads) ──► sorted files           the state tree's leaves, for the next start
//! ```

pub mod disk;
mod error;
mod guard;
mod home;
mod journal;
pub mod leaves;
pub mod log;
pub mod state;
mod tables;
mod writer;

pub use error::{Fault, StorageError};
pub use guard::{Guard, MAX_GUARD_BYTES};
pub use home::{HOME_SCHEMA, Home};
pub use journal::{
    BlockLog, BlockReader, BlockRecord, FIRST_HEIGHT, Journal, JournalDisks, JournalOptions, JournalReport,
};
pub use tables::Table;
pub use writer::{Batch, GROUP_BYTES, QUEUE_BYTES, QUEUE_JOBS, Report, Write, Writer, persist};

/// Hash of the genesis file, as raw bytes: every file of a node carries it, so files of two chains never mix.
pub type GenesisHash = [u8; 32];
