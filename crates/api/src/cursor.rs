//! Cursors: where a list goes on. Opaque to clients, so that the order of a list can change without breaking them.
//!
//! A cursor names the last item given, by height and index, not a page number; so a list stays stable while blocks
//! arrive.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vostro_types::Label;

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

/// Longest text of an [`OrderCursor`]: a tag and a label in base64.
const MAX_ORDER_CURSOR: usize = 100;

/// Where a list of orders goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderCursor {
    /// After this order of a platform.
    Platform(Label),
    /// Before this event of an account's history, newest first.
    Account {
        /// Height of the block.
        height: u64,
        /// Index of the receipt.
        index: u32,
        /// Index of the event.
        event: u32,
    },
}

impl fmt::Display for OrderCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            OrderCursor::Platform(label) => format!("p{label}"),
            OrderCursor::Account { height, index, event } => format!("a{height}.{index}.{event}"),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl FromStr for OrderCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() > MAX_ORDER_CURSOR {
            return Err(BadCursor);
        }
        let text =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(BadCursor)?;
        if let Some(label) = text.strip_prefix('p') {
            return Label::new(label).map(OrderCursor::Platform).map_err(|_| BadCursor);
        }
        let mut parts = text.strip_prefix('a').ok_or(BadCursor)?.split('.');
        let mut next = || parts.next().ok_or(BadCursor);
        let cursor = OrderCursor::Account {
            height: next()?.parse().map_err(|_| BadCursor)?,
            index: next()?.parse().map_err(|_| BadCursor)?,
            event: next()?.parse().map_err(|_| BadCursor)?,
        };
        if parts.next().is_some() { Err(BadCursor) } else { Ok(cursor) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn order_cursors_go_round_and_others_are_refused() {
        let account = OrderCursor::Account { height: u64::MAX, index: u32::MAX, event: 3 };
        for cursor in [account, OrderCursor::Platform(Label::new("课".repeat(21)).unwrap())] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "p", "a1.2", "a1.2.3.4", "a-1.2.3", "x1", "p "] {
            assert!(URL_SAFE_NO_PAD.encode(bad).parse::<OrderCursor>().is_err(), "{bad}");
        }
        let other = Cursor { list: List::History, height: 1, index: 2 };
        assert!(other.to_string().parse::<OrderCursor>().is_err());
        assert!("A".repeat(1000).parse::<OrderCursor>().is_err());
    }

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
