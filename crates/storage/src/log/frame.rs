//! One frame of a log: a checked header, the payload, zeros up to a multiple of eight.
//!
//! Invariant: a frame proves which frames before it were already durable when it was written. That is what tells a
//! batch that tore in a crash (frames of one batch reach the disk in any order) from damage to durable bytes.
//!
//! ```text
//!   0   4   8          16  20 21 22 24
//!   ├crc┼len┼─sequence──┼crc┼k┼0┼uns┼─payload… ─┼0…┤
//! ```

use crate::error::Fault;

/// Bytes of a frame header.
pub(crate) const FRAME_HEADER: usize = 24;
/// Frames start at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;
/// Largest payload of one record, in bytes.
pub const MAX_RECORD: usize = 32 << 20;
/// Frames that may be written between two syncs; the field that counts them has two bytes.
pub(crate) const MAX_UNSYNCED: u16 = u16::MAX;

/// A frame header whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) sequence: u64,
    pub(crate) payload_crc: u32,
    pub(crate) kind: u8,
    /// Frames directly before this one that were not yet durable when it was written.
    pub(crate) unsynced: u16,
}

impl FrameHeader {
    /// Every frame with a smaller sequence number was durable when this one was written.
    pub(crate) fn durable_below(&self) -> u64 {
        self.sequence.saturating_sub(u64::from(self.unsynced))
    }

    /// Bytes the whole frame takes.
    pub(crate) fn frame_bytes(&self) -> usize {
        frame_bytes(self.length)
    }
}

/// Bytes a frame with a payload of `length` takes.
pub(crate) fn frame_bytes(length: usize) -> usize {
    FRAME_HEADER + length.next_multiple_of(ALIGNMENT)
}

fn crc(nonce: u64, bytes: &[u8]) -> u32 {
    crc_of(nonce, &[bytes])
}

fn crc_of(nonce: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&nonce.to_le_bytes());
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// Bytes of a payload that is given in parts.
pub(crate) fn length_of(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Puts the frame into `out`, replacing what was there. The payload, its parts one after the other, is at most [`MAX_RECORD`]
/// bytes.
pub(crate) fn encode(out: &mut Vec<u8>, nonce: u64, kind: u8, sequence: u64, unsynced: u16, payload: &[&[u8]]) {
    let length = length_of(payload);
    debug_assert!(length <= MAX_RECORD);
    out.clear();
    out.reserve(frame_bytes(length));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&crc_of(nonce, payload).to_le_bytes());
    out.push(kind);
    out.push(0);
    out.extend_from_slice(&unsynced.to_le_bytes());
    let header_crc = crc(nonce, &out[4..FRAME_HEADER]);
    out[..4].copy_from_slice(&header_crc.to_le_bytes());
    payload.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(frame_bytes(length), 0);
}

fn u32_at(bytes: &[u8; FRAME_HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The header, if its checksum holds and its fields are within limits; a blank one is `None`.
pub(crate) fn decode_header(nonce: u64, bytes: &[u8; FRAME_HEADER]) -> Option<FrameHeader> {
    let length = u32_at(bytes, 4) as usize;
    if length > MAX_RECORD || bytes[21] != 0 || bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    if crc(nonce, &bytes[4..]) != u32_at(bytes, 0) {
        return None;
    }
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&bytes[8..16]);
    Some(FrameHeader {
        length,
        sequence: u64::from_le_bytes(sequence),
        payload_crc: u32_at(bytes, 16),
        kind: bytes[20],
        unsynced: u16::from_le_bytes([bytes[22], bytes[23]]),
    })
}

/// Checks payload and padding; `body` is what follows the header, [`FrameHeader::frame_bytes`] less the header long.
pub(crate) fn check_body(nonce: u64, header: &FrameHeader, body: &[u8]) -> Result<(), Fault> {
    let Some((payload, padding)) = body.split_at_checked(header.length) else {
        return Err(Fault::FrameLength);
    };
    if crc(nonce, payload) != header.payload_crc {
        return Err(Fault::Payload);
    }
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Fault::Padding);
    }
    Ok(())
}
