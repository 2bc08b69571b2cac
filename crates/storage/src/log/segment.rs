//! One segment file: its header page, and the scan that finds where its valid frames end.
//!
//! Invariant: a scan either returns the longest valid run of frames, or names the offset of damage; it never skips a
//! frame and goes on.

use std::sync::{PoisonError, RwLock};

use super::frame::{self, ALIGNMENT, FRAME_HEADER, FrameHeader};
use crate::GenesisHash;
use crate::disk::DiskFile;
use crate::error::{Fault, StorageError};

/// First bytes of every segment file.
pub(crate) const MAGIC: [u8; 8] = *b"VSTRLOG\0";
/// Layout described in `docs/storage.md`.
pub(crate) const LOG_SCHEMA: u16 = 1;
/// Frames start here; the header has a page of its own, so that no later write touches it.
pub(crate) const HEADER_PAGE: u64 = 4096;
/// Bytes of the header that are used, its checksum included.
const HEADER_USED: usize = 84;

/// Highest number of a first record. No log gets there, and below it counting on cannot overflow.
pub(crate) const MAX_FIRST: u64 = i64::MAX.unsigned_abs();

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: u8,
    pub(crate) genesis: GenesisHash,
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) size: u64,
    pub(crate) nonce: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_PAGE as usize);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&LOG_SCHEMA.to_le_bytes());
        out.push(self.kind);
        out.extend_from_slice(&[0; 5]);
        out.extend_from_slice(&self.genesis);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(HEADER_PAGE as usize, 0);
        out
    }

    /// Reads the header of `file` and checks everything that does not depend on its neighbours.
    pub(crate) fn read(
        file: &dyn DiskFile,
        path: &str,
        kind: u8,
        genesis: &GenesisHash,
        number: u64,
    ) -> Result<Self, StorageError> {
        let damaged = |fault| StorageError::Corrupt { file: path.to_owned(), offset: 0, fault };
        let size = file.size().map_err(|source| StorageError::io("read the length of", path, source))?;
        if size < HEADER_PAGE {
            return Err(damaged(Fault::FileLength));
        }
        let mut bytes = [0; HEADER_USED];
        file.read_at(0, &mut bytes).map_err(|source| StorageError::io("read", path, source))?;
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let crc = u32::from_le_bytes([bytes[80], bytes[81], bytes[82], bytes[83]]);
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..80]) != crc {
            return Err(damaged(Fault::SegmentHeader));
        }
        let schema = u16::from_le_bytes([bytes[8], bytes[9]]);
        if schema > LOG_SCHEMA {
            return Err(StorageError::NewerSchema {
                file: path.to_owned(),
                found: u32::from(schema),
                supported: u32::from(LOG_SCHEMA),
            });
        }
        let mut found_genesis = [0; 32];
        found_genesis.copy_from_slice(&bytes[16..48]);
        let header = Self {
            kind: bytes[10],
            genesis: found_genesis,
            number: word(48),
            first: word(56),
            size: word(64),
            nonce: word(72),
        };
        if header.genesis != *genesis {
            return Err(StorageError::WrongChain { file: path.to_owned() });
        }
        if header.kind != kind {
            return Err(StorageError::WrongKind { file: path.to_owned(), expected: kind, found: header.kind });
        }
        if header.number != number || header.number > MAX_FIRST || header.first > MAX_FIRST {
            return Err(damaged(Fault::SegmentHeader));
        }
        if header.size != size {
            return Err(damaged(Fault::FileLength));
        }
        Ok(header)
    }
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Offset of each valid frame, in sequence order.
    pub(crate) offsets: Vec<u32>,
    /// Where the next frame belongs.
    pub(crate) end: u64,
    /// End of the last byte after `end` that is not zero, or `end`.
    pub(crate) dirty_end: u64,
    /// Whole frame headers among the bytes after `end`.
    pub(crate) torn_frames: u64,
}

fn header_at(bytes: &[u8], at: usize, nonce: u64) -> Option<FrameHeader> {
    let head: &[u8; FRAME_HEADER] = bytes.get(at..at + FRAME_HEADER)?.try_into().ok()?;
    frame::decode_header(nonce, head)
}

fn frame_at(bytes: &[u8], at: usize, nonce: u64, expected: u64) -> Result<FrameHeader, Fault> {
    let header = header_at(bytes, at, nonce).ok_or(Fault::FrameHeader)?;
    if header.sequence != expected {
        return Err(Fault::Sequence);
    }
    let body = bytes.get(at + FRAME_HEADER..at + header.frame_bytes()).ok_or(Fault::FrameLength)?;
    frame::check_body(nonce, &header, body)?;
    Ok(header)
}

/// Walks the frames of a whole segment. `sealed_at` is the first sequence number of the next segment, if there is
/// one: then all frames below it must be valid and what follows them does not matter.
pub(crate) fn scan(
    bytes: &[u8],
    header: &SegmentHeader,
    path: &str,
    sealed_at: Option<u64>,
) -> Result<Scan, StorageError> {
    let mut offsets = Vec::new();
    let mut at = HEADER_PAGE as usize;
    let mut expected = header.first;
    let fault = loop {
        if sealed_at == Some(expected) {
            return Ok(Scan { offsets, end: at as u64, dirty_end: at as u64, torn_frames: 0 });
        }
        match frame_at(bytes, at, header.nonce, expected) {
            Ok(frame) => {
                offsets.push(at as u32);
                at += frame.frame_bytes();
                expected += 1;
            }
            Err(fault) => break fault,
        }
    };
    let damaged = || StorageError::Corrupt { file: path.to_owned(), offset: at as u64, fault };
    if sealed_at.is_some() {
        return Err(damaged());
    }
    // The frame that belongs here is not valid. A later frame that was written after this one had been made durable
    // proves damage; without such a proof, this frame and all after it belong to a batch that was never synced.
    let rest = bytes.get(at..).unwrap_or_default();
    let plausible = expected..=expected.saturating_add(rest.len() as u64); // a frame takes more than a byte
    let mut torn_frames = 0;
    for offset in (0..rest.len()).step_by(ALIGNMENT) {
        let Some(later) = rest
            .get(offset + 8..offset + 16)
            .and_then(|word| word.try_into().ok())
            .map(u64::from_le_bytes)
            .filter(|sequence| plausible.contains(sequence))
            .and_then(|_| header_at(rest, offset, header.nonce))
        else {
            continue;
        };
        if later.durable_below() > expected {
            return Err(damaged());
        }
        torn_frames += 1;
    }
    let dirty = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(Scan { offsets, end: at as u64, dirty_end: (at + dirty) as u64, torn_frames })
}

/// An open segment with the place of each of its frames.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) path: String,
    /// Offset of the frame with sequence `header.first + index`.
    pub(crate) offsets: RwLock<Vec<u32>>,
}

impl Segment {
    pub(crate) fn damaged(&self, offset: u64, fault: Fault) -> StorageError {
        StorageError::Corrupt { file: self.path.clone(), offset, fault }
    }

    pub(crate) fn read_bytes(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_at(offset, buf).map_err(|source| StorageError::io("read", &self.path, source))
    }

    fn read_header(&self, offset: u64, expected: u64) -> Result<FrameHeader, StorageError> {
        if offset.saturating_add(FRAME_HEADER as u64) > self.header.size {
            return Err(self.damaged(offset, Fault::FrameLength));
        }
        let mut head = [0; FRAME_HEADER];
        self.read_bytes(offset, &mut head)?;
        let frame =
            frame::decode_header(self.header.nonce, &head).ok_or_else(|| self.damaged(offset, Fault::FrameHeader))?;
        if frame.sequence != expected {
            return Err(self.damaged(offset, Fault::Sequence));
        }
        if offset.saturating_add(frame.frame_bytes() as u64) > self.header.size {
            return Err(self.damaged(offset, Fault::FrameLength));
        }
        Ok(frame)
    }

    /// Places of the frames of a sealed segment, from their headers alone; payloads are checked when read.
    pub(crate) fn index_sealed(&self, sealed_at: u64) -> Result<(), StorageError> {
        let mut offsets = Vec::new();
        let mut at = HEADER_PAGE;
        for expected in self.header.first..sealed_at {
            let frame = self.read_header(at, expected)?;
            offsets.push(at as u32);
            at += frame.frame_bytes() as u64;
        }
        *self.offsets.write().unwrap_or_else(PoisonError::into_inner) = offsets;
        Ok(())
    }

    /// Kind and payload of a frame, checked; `None` when this segment does not hold it.
    pub(crate) fn read(&self, sequence: u64) -> Result<Option<(u8, Vec<u8>)>, StorageError> {
        let Some(offset) = sequence
            .checked_sub(self.header.first)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| {
                let offsets = self.offsets.read().unwrap_or_else(PoisonError::into_inner);
                offsets.get(index).copied()
            })
            .map(u64::from)
        else {
            return Ok(None);
        };
        let frame = self.read_header(offset, sequence)?;
        let mut body = vec![0; frame.frame_bytes() - FRAME_HEADER];
        self.read_bytes(offset + FRAME_HEADER as u64, &mut body)?;
        frame::check_body(self.header.nonce, &frame, &body).map_err(|fault| self.damaged(offset, fault))?;
        body.truncate(frame.length);
        Ok(Some((frame.kind, body)))
    }
}
