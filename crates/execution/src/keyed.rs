//! Values by key, found by hash.
//!
//! Invariant: nothing depends on the order of hashes; values stand in the order in which their keys first came.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::ops::{Index, IndexMut};

/// Values by key. Keys of the state are long and alike: comparing them all the way down a tree costs more than hashing one.
/// All 64 bits of the hash are compared, so keys made to collide cost whoever makes them far more than whoever walks their
/// chain.
#[derive(Debug)]
pub(crate) struct Keyed<V> {
    slots: Vec<Slot<V>>,
    by_hash: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Slot<V> {
    key: Vec<u8>,
    value: V,
    /// The next slot whose key has the same hash.
    next: Option<usize>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Keyed { slots: Vec::new(), by_hash: BTreeMap::new() }
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

impl<V: Default> Keyed<V> {
    /// The place of `key`, which gets a default value if it was not here.
    pub(crate) fn place(&mut self, key: &[u8]) -> usize {
        self.place_hashed(hash(key), key)
    }

    fn place_hashed(&mut self, hash: u64, key: &[u8]) -> usize {
        let fresh = self.slots.len();
        let mut at = *self.by_hash.entry(hash).or_insert(fresh);
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.key == key {
                return at;
            }
            at = *slot.next.get_or_insert(fresh);
        }
        self.slots.push(Slot { key: key.to_vec(), value: V::default(), next: None });
        fresh
    }

    /// The value at `key`, if it is here.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        let mut at = self.by_hash.get(&hash(key)).copied();
        while let Some(slot) = at.and_then(|at| self.slots.get(at)) {
            if slot.key == key {
                return Some(&slot.value);
            }
            at = slot.next;
        }
        None
    }
}

impl<V> Index<usize> for Keyed<V> {
    type Output = V;

    /// The value at a place that [`Keyed::place`] gave.
    fn index(&self, at: usize) -> &V {
        &self.slots[at].value
    }
}

impl<V> IndexMut<usize> for Keyed<V> {
    fn index_mut(&mut self, at: usize) -> &mut V {
        &mut self.slots[at].value
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_of_one_hash_keep_apart() {
        let mut keyed = Keyed::<u32>::default();
        let places: Vec<usize> = (0..5u8).map(|k| keyed.place_hashed(7, &[k])).collect();
        assert_eq!(places, [0, 1, 2, 3, 4]);
        for (at, value) in places.iter().zip(10..) {
            keyed[*at] = value;
        }
        assert_eq!(keyed.place_hashed(7, &[3]), 3);
        assert_eq!(keyed[3], 13);
    }

    #[test]
    fn what_was_placed_is_found() {
        let mut keyed = Keyed::<u32>::default();
        for k in 0..100u32 {
            let at = keyed.place(&k.to_be_bytes());
            keyed[at] = k;
        }
        assert!((0..100u32).all(|k| keyed.get(&k.to_be_bytes()) == Some(&k)));
        assert_eq!(keyed.get(&[1]), None);
        assert_eq!(keyed.place(&7u32.to_be_bytes()), 7);
    }
}
