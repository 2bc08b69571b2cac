//! Ids of transactions in recent blocks, so that a replay is refused.
//!
//! Invariant: holds the id of every transaction of a decided block that could still be valid at the tip's time. It is a
//! function of the blocks of the last validity window, so a restarted node rebuilds it and it needs no place in the
//! state tree. It holds at most [`MAX_RECENT_IDS`], because no block is valid that would make it more: every validator
//! counts the same ids, so all agree on which block that is.

use std::collections::BTreeMap;

use vostro_types::{Time, TxId};

/// Most ids that are remembered. With transactions that are valid for ten minutes this is 28,000 a second, with the longest
/// validity of an hour 4,660 a second; of more, transactions wait until ids expire. About 120 bytes each.
pub const MAX_RECENT_IDS: usize = 1 << 24;

/// Ids that must not be executed again.
#[derive(Clone, Debug, Default)]
pub struct RecentIds {
    ids: BTreeMap<TxId, Time>,
    expiry: BTreeMap<(Time, TxId), ()>,
}

impl RecentIds {
    /// Remembers an id until block time passes `valid_until`.
    pub fn insert(&mut self, id: TxId, valid_until: Time) {
        if self.ids.insert(id, valid_until).is_none() {
            self.expiry.insert((valid_until, id), ());
        }
    }

    /// Whether a block holds the id.
    pub fn contains(&self, id: &TxId) -> bool {
        self.ids.contains_key(id)
    }

    /// Forgets what no block at `time` or later may hold anyway.
    pub fn forget_before(&mut self, time: Time) {
        while let Some((&(valid_until, id), ())) = self.expiry.first_key_value() {
            if valid_until >= time {
                break;
            }
            self.expiry.remove(&(valid_until, id));
            self.ids.remove(&id);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vostro_types::Hash;

    #[test]
    fn remembered_exactly_as_long_as_valid() {
        let mut recent = RecentIds::default();
        recent.insert(TxId(Hash([1; 32])), Time(10));
        recent.insert(TxId(Hash([2; 32])), Time(20));
        recent.forget_before(Time(10));
        assert!(recent.contains(&TxId(Hash([1; 32]))));
        recent.forget_before(Time(11));
        assert!(!recent.contains(&TxId(Hash([1; 32]))) && recent.contains(&TxId(Hash([2; 32]))));
        recent.forget_before(Time(21));
        assert!(recent.is_empty());
    }
}
