//! Ids of transactions in recent blocks, so that a replay is refused.
//!
//! Invariant: holds the id of every transaction of a decided block that could still be valid at the tip's time. It is a
//! function of the blocks of the last validity window, so a restarted node rebuilds it and it needs no place in the
//! state tree. It holds at most [`MAX_RECENT_IDS`], because no block is valid that would make it more: every validator
//! counts the same ids, so all agree on which block that is.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use vostro_types::{Time, TxId};

/// Most ids that are remembered. With transactions that are valid for ten minutes this is 28,000 a second, with the longest
/// validity of an hour 4,660 a second; of more, transactions wait until ids expire. About 135 bytes
/// each; the tables keep their size when ids expire.
pub const MAX_RECENT_IDS: usize = 1 << 24;

/// Ids that must not be executed again.
#[derive(Clone, Debug)]
pub struct RecentIds {
    /// One table for each first byte of an id: a table that grows moves all it has, and of one with millions of ids every
    /// block would have to wait for that.
    tables: Vec<HashTable<TxId>>,
    expiry: BTreeMap<Time, Vec<TxId>>,
    count: usize,
}

impl Default for RecentIds {
    fn default() -> Self {
        RecentIds { tables: vec![HashTable::new(); 1 << u8::BITS], expiry: BTreeMap::new(), count: 0 }
    }
}

fn table(id: &TxId) -> usize {
    usize::from(id.0.0[0])
}

/// Ids are hashes.
fn hash(id: &TxId) -> u64 {
    let mut part = [0; 8];
    part.copy_from_slice(&id.0.0[8..16]);
    u64::from_le_bytes(part)
}

impl RecentIds {
    /// Remembers an id until block time passes `valid_until`.
    pub fn insert(&mut self, id: TxId, valid_until: Time) {
        if let Entry::Vacant(place) = self.tables[table(&id)].entry(hash(&id), |known| *known == id, hash) {
            place.insert(id);
            self.expiry.entry(valid_until).or_default().push(id);
            self.count += 1;
        }
    }

    /// Whether a block holds the id.
    pub fn contains(&self, id: &TxId) -> bool {
        self.tables[table(id)].find(hash(id), |known| known == id).is_some()
    }

    /// Forgets what no block at `time` or later may hold anyway.
    pub fn forget_before(&mut self, time: Time) {
        while let Some(expired) = self.expiry.first_entry().filter(|first| *first.key() < time) {
            for id in expired.remove() {
                if let Ok(place) = self.tables[table(&id)].find_entry(hash(&id), |known| *known == id) {
                    place.remove();
                    self.count -= 1;
                }
            }
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Extend<(TxId, Time)> for RecentIds {
    fn extend<I: IntoIterator<Item = (TxId, Time)>>(&mut self, ids: I) {
        ids.into_iter().for_each(|(id, valid_until)| self.insert(id, valid_until));
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
        assert!(recent.is_empty() && recent.expiry.is_empty());
    }

    #[test]
    fn ids_that_begin_alike_keep_apart() {
        let id = |i: u16| {
            let mut hash = [7; 32];
            hash[30..].copy_from_slice(&i.to_le_bytes());
            TxId(Hash(hash))
        };
        let mut recent = RecentIds::default();
        for i in 0..300 {
            assert!(!recent.contains(&id(i)));
            recent.insert(id(i), Time(u64::from(i % 3)));
            recent.insert(id(i), Time(u64::from(i % 3)));
        }
        assert_eq!(recent.len(), 300);
        recent.forget_before(Time(1));
        for i in 0..300 {
            assert_eq!(recent.contains(&id(i)), i % 3 != 0);
        }
        assert_eq!(recent.len(), 200);
    }
}
