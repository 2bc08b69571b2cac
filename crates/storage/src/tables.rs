//! The tables of the state store: each is a range of keys under one prefix byte of a single ordered map.
//!
//! Invariant: prefix 0 belongs to the store itself (height marker), so no table can overwrite it. One map, because
//! sled writes a batch atomically inside one tree only.

use crate::state::Key;

/// A table; its number is on disk and never given to another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// The materialised state the contract reads and writes.
    State = 1,
    /// Transaction id → where it was applied (height, index).
    Transactions = 2,
    /// Account and place → an entry of the account's history.
    History = 3,
    /// Block id → height.
    Blocks = 4,
}

impl Table {
    /// All tables, in key order.
    pub const ALL: [Self; 4] = [Self::State, Self::Transactions, Self::History, Self::Blocks];

    /// The key in the ordered map.
    pub(crate) fn key(self, key: &[u8]) -> Key {
        let mut out = Vec::with_capacity(key.len() + 1);
        out.push(self as u8);
        out.extend_from_slice(key);
        out.into()
    }

    /// End of a range in the ordered map; an empty `to` is the end of the table.
    pub(crate) fn end(self, to: &[u8]) -> Key {
        if to.is_empty() { vec![self as u8 + 1].into() } else { self.key(to) }
    }
}
