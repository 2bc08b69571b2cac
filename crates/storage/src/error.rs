//! The one error type of this crate; file names and offsets are fields, so the operator learns where to look.

use std::fmt;
use std::io;

/// Why bytes at one place of a file cannot be what was written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The segment header's magic or checksum is wrong, or it names another segment.
    SegmentHeader,
    /// The file is shorter or longer than its header says.
    FileLength,
    /// The frame header's checksum is wrong or the frame is blank, though later frames exist.
    FrameHeader,
    /// The frame's payload does not match its checksum, though later frames exist.
    Payload,
    /// The padding after a payload is not zero, though later frames exist.
    Padding,
    /// A valid frame with the wrong sequence number.
    Sequence,
    /// The frame says it reaches beyond the end of the segment.
    FrameLength,
    /// The lengths inside a block record do not add up.
    BlockRecord,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SegmentHeader => "the segment header is not valid",
            Self::FileLength => "the file length differs from the one in its header",
            Self::FrameHeader => "the frame header is not valid",
            Self::Payload => "the payload does not match its checksum",
            Self::Padding => "the padding of the frame is not zero",
            Self::Sequence => "the sequence number is not the expected one",
            Self::FrameLength => "the frame reaches beyond the segment",
            Self::BlockRecord => "the lengths inside the block record do not add up",
        })
    }
}

/// Everything that can go wrong while storing or reading; all of it is fatal for a node unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused; after a failed write or sync the log refuses everything.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted, a verb.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Bytes that were once durable have changed; never repaired automatically.
    #[error("{file} is damaged at byte {offset}: {fault}; restore the file from a copy, see docs/storage.md")]
    Corrupt {
        /// The damaged file.
        file: String,
        /// Offset of the frame or header that is damaged.
        offset: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// A segment between two others, or the beginning of a log that is never pruned, is gone.
    #[error("log segment {file} is missing; restore it from a copy, see docs/storage.md")]
    MissingSegment {
        /// Path the segment should have.
        file: String,
    },
    /// The file was written for another chain.
    #[error("{file} belongs to another chain: its genesis hash differs from this node's")]
    WrongChain {
        /// The foreign file.
        file: String,
    },
    /// A log file lies in the directory of the other log.
    #[error("{file} is a log of kind {found}, expected kind {expected}")]
    WrongKind {
        /// The misplaced file.
        file: String,
        /// Kind the directory should hold.
        expected: u8,
        /// Kind the header names.
        found: u8,
    },
    /// The file was written by a newer version of the program.
    #[error("{file} has schema {found}, this program knows up to {supported}; start the newer program")]
    NewerSchema {
        /// The file.
        file: String,
        /// Schema found.
        found: u32,
        /// Highest schema this program reads.
        supported: u32,
    },
    /// The caller's record is above the limit; nothing was written and the log goes on.
    #[error("a record of {bytes} bytes is above the limit of {limit}")]
    TooLarge {
        /// Size asked for.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An empty key, or one under prefix 0, which is the store's own; nothing was written.
    #[error("a key of the state store must begin with the number of a table")]
    ReservedKey,
    /// A height or ticket does not follow its predecessor; nothing was written.
    #[error("{what} {got} does not follow: expected {expected}")]
    OutOfOrder {
        /// What is counted.
        what: &'static str,
        /// The only number that would have been accepted.
        expected: u64,
        /// The number given.
        got: u64,
    },
    /// An earlier write or sync failed, so nothing is written any more; restart the process.
    #[error("storage has stopped after an earlier failure: {cause}")]
    Stopped {
        /// Text of the first failure.
        cause: String,
    },
    /// Neither slot of the signer's record is valid.
    #[error(
        "{file} holds no valid slot; the signer's memory is lost, and signing again under this key could \
         contradict earlier votes: see docs/storage.md"
    )]
    GuardDamaged {
        /// The guard's file.
        file: String,
    },
    /// Another process holds the home.
    #[error("{path} is held by another process{}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// Path of the lock file.
        path: String,
        /// Process that wrote its id there, if it could be read.
        pid: Option<u32>,
    },
    /// The state store cannot be used; it can be deleted and rebuilt from the block log.
    #[error(
        "the state store {path} cannot be used ({cause}); it holds nothing that the block log does not: \
         delete it and start again, the node rebuilds it by replay"
    )]
    StateDamaged {
        /// Directory of the store.
        path: String,
        /// The store's own words.
        cause: String,
    },
    /// A file or directory of the home is not what it should be.
    #[error("{path} cannot be read as {expected}")]
    Malformed {
        /// The file.
        path: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl StorageError {
    pub(crate) fn io(action: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
