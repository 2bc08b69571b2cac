//! Cursors: where a list goes on. Opaque to clients, so that the order of a list can change without breaking them.
//!
//! A cursor names the last item given, by height and index, not a page number; so a list stays stable while blocks
//! arrive.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const LENGTH: usize = 14;

/// Which list a cursor belongs to; one list's cursor is refused by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    /// Blocks, newest first.
    Blocks = 1,
    /// An account's history, newest first.
    History = 2,
}

/// The position of the last item given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The list.
    pub list: List,
    /// Height of the item.
    pub height: u64,
    /// Its index in the block.
    pub index: u32,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list; use `nextCursor` of an earlier answer as it came")]
pub struct BadCursor;

impl Cursor {
    /// Reads a cursor of `list`.
    ///
    /// # Errors
    /// [`BadCursor`] for any other text.
    pub fn parse(list: List, text: &str) -> Result<Self, BadCursor> {
        let cursor: Cursor = text.parse()?;
        if cursor.list == list { Ok(cursor) } else { Err(BadCursor) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1] = self.list as u8;
        bytes[2..10].copy_from_slice(&self.height.to_le_bytes());
        bytes[10..].copy_from_slice(&self.index.to_le_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() > 2 * LENGTH {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let bytes = <[u8; LENGTH]>::try_from(bytes).map_err(|_| BadCursor)?;
        let list = match (bytes[0], bytes[1]) {
            (VERSION, 1) => List::Blocks,
            (VERSION, 2) => List::History,
            _ => return Err(BadCursor),
        };
        let height = u64::from_le_bytes(bytes[2..10].try_into().map_err(|_| BadCursor)?);
        let index = u32::from_le_bytes(bytes[10..].try_into().map_err(|_| BadCursor)?);
        Ok(Cursor { list, height, index })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let cursor = Cursor { list: List::History, height: u64::MAX, index: 7 };
        assert_eq!(Cursor::parse(List::History, &cursor.to_string()).unwrap(), cursor);
        assert_eq!(Cursor::parse(List::Blocks, &cursor.to_string()), Err(BadCursor));
        for bad in ["", "AAAA", "1", &"A".repeat(1000), "不是"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
