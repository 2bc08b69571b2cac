//! Values by key, found by hash.
//!
//! Invariant: nothing depends on the order of hashes; values stand in the order in which their keys first came.

use std::hash::{DefaultHasher, Hasher};
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Values by key. Keys of the state are long and alike: comparing them all the way down a tree costs several times what
/// hashing one does. A key that is made to collide costs its maker a payment, and each lookup of its like a step in sixteen
/// keys.
#[derive(Debug)]
pub(crate) struct Keyed<V> {
    slots: Vec<Slot<V>>,
    /// The keys of the slots, one after the other.
    keys: Vec<u8>,
    places: HashTable<usize>,
}

#[derive(Debug)]
struct Slot<V> {
    hash: u64,
    /// Where in [`Keyed::keys`] the key begins and ends.
    key: (usize, usize),
    value: V,
}

/// Bytes of a key, about.
const KEY_BYTES: usize = 48;

/// The hash by which a key is found. Users choose parts of keys, so whole hashes must be hard to make equal, which those of faster
/// functions with a known seed are not.
pub(crate) fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

impl<V: Default> Keyed<V> {
    /// Nothing, with room for so many keys: a table that grows moves all it has.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Keyed {
            slots: Vec::with_capacity(keys),
            keys: Vec::with_capacity(keys * KEY_BYTES),
            places: HashTable::with_capacity(keys),
        }
    }

    /// How many keys it has memory for.
    pub(crate) fn room(&self) -> usize {
        self.slots.capacity()
    }

    /// Makes room for so many keys more.
    pub(crate) fn reserve(&mut self, keys: usize) {
        let Keyed { slots, keys: bytes, places } = self;
        slots.reserve_exact(keys);
        bytes.reserve_exact(keys * KEY_BYTES);
        places.reserve(keys, |at| slots[*at].hash);
    }

    /// Forgets every key, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.keys.clear();
        self.places.clear();
    }

    /// The place of `key`, which gets a default value if it was not here.
    pub(crate) fn place(&mut self, key: &[u8]) -> usize {
        self.place_hashed(hash(key), key)
    }

    /// The key at a place, and its hash.
    pub(crate) fn key(&self, at: usize) -> (u64, &[u8]) {
        let Slot { hash, key: (from, to), .. } = self.slots[at];
        (hash, &self.keys[from..to])
    }

    fn place_hashed(&mut self, hash: u64, key: &[u8]) -> usize {
        let Keyed { slots, keys, places } = self;
        let is_key = |at: &usize| {
            let (from, to) = slots[*at].key;
            keys[from..to] == *key
        };
        match places.entry(hash, is_key, |at| slots[*at].hash) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                let at = slots.len();
                place.insert(at);
                let from = keys.len();
                keys.extend_from_slice(key);
                slots.push(Slot { hash, key: (from, keys.len()), value: V::default() });
                at
            }
        }
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
        let mut keyed = Keyed::<u32>::with_capacity(0);
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
        for mut keyed in [Keyed::<u32>::with_capacity(0), Keyed::with_capacity(7), Keyed::with_capacity(1000)] {
            for k in 0..100u32 {
                let at = keyed.place(&k.to_be_bytes());
                keyed[at] = k;
            }
            for k in 0..100u32 {
                let at = keyed.place(&k.to_be_bytes());
                assert_eq!((at, keyed[at]), (k as usize, k));
                assert_eq!(keyed.key(at), (hash(&k.to_be_bytes()), &k.to_be_bytes()[..]));
            }
        }
    }
}
