//! The points that keys encode, remembered, so that a key that comes again is not decompressed again.
//!
//! Invariant: what is remembered of a key is the point that its bytes encode. So whether it is remembered changes what a
//! verification costs, and never what it says.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, PoisonError};

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use hashbrown::HashTable;

use crate::key::PublicKey;

/// Most keys that are remembered in a process. Half of them fill a table of 2^15 places, so all take 13 MB.
pub const MAX_KNOWN_KEYS: usize = 7 << 13;

static KNOWN: Mutex<Points> = Mutex::new(Points::new(MAX_KNOWN_KEYS));

/// The point of each key, in order; `None` if a key encodes none.
pub(crate) fn of(keys: &[PublicKey]) -> Option<Vec<EdwardsPoint>> {
    let known: Vec<Option<EdwardsPoint>> = {
        let mut points = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| points.get(key)).collect()
    };
    // Decompressing takes long: others may look up meanwhile.
    keys.iter().zip(known).map(|(key, known)| known.or_else(|| CompressedEdwardsY(key.0).decompress())).collect()
}

/// Remembers the points of keys whose signatures were seen to verify. Who sends others makes nobody forget.
pub(crate) fn remember(keys: &[PublicKey], points: &[EdwardsPoint]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for (key, point) in keys.iter().zip(points) {
        known.put(*key, *point);
    }
}

/// Whether the point of a key is remembered.
#[cfg(test)]
pub(crate) fn knows(key: &PublicKey) -> bool {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(key).is_some()
}

/// Points by key within a number of keys.
struct Points {
    /// Keys used since the last turn, and in the turn before. When the young are half of what may be kept they take the
    /// place of the old.
    young: Generation,
    old: Generation,
    limit: usize,
}

type Generation = HashTable<(PublicKey, EdwardsPoint)>;

fn hash(key: &PublicKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&key.0);
    hasher.finish()
}

impl Points {
    const fn new(limit: usize) -> Self {
        Points { young: HashTable::new(), old: HashTable::new(), limit }
    }

    fn get(&mut self, key: &PublicKey) -> Option<EdwardsPoint> {
        let hash = hash(key);
        if let Some((_, point)) = self.young.find(hash, |(known, _)| known == key) {
            return Some(*point);
        }
        let (_, point) = *self.old.find(hash, |(known, _)| known == key)?;
        self.put(*key, point);
        Some(point)
    }

    fn put(&mut self, key: PublicKey, point: EdwardsPoint) {
        let hash_of = |(key, _): &(PublicKey, EdwardsPoint)| hash(key);
        let place = self.young.entry(hash(&key), |(known, _)| *known == key, hash_of);
        place.or_insert((key, point));
        if self.young.len() >= self.limit / 2 {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::key::SecretKey;

    fn keys(n: u8) -> Vec<(PublicKey, EdwardsPoint)> {
        let key = |i| SecretKey::from_seed([i; 32]).public();
        let point = |key: PublicKey| CompressedEdwardsY(key.0).decompress().unwrap();
        (0..n).map(|i| (key(i), point(key(i)))).collect()
    }

    #[test]
    fn a_key_has_its_own_point_and_the_latest_are_kept() {
        let mut points = Points::new(8);
        for (key, point) in keys(20) {
            points.put(key, point);
            assert!(points.young.len() + points.old.len() <= 8);
        }
        let kept: Vec<bool> = keys(20).iter().map(|(key, _)| points.get(key).is_some()).collect();
        assert!(kept[16..].iter().all(|kept| *kept) && kept[..12].iter().all(|kept| !kept), "{kept:?}");
        for (key, point) in &keys(20)[16..] {
            assert_eq!(points.get(key), Some(*point));
        }
    }

    #[test]
    fn a_key_that_is_used_stays() {
        let mut points = Points::new(8);
        let all = keys(40);
        for (key, point) in &all {
            points.put(*key, *point);
            assert_eq!(points.get(&all[0].0), Some(all[0].1));
        }
    }

    #[test]
    fn the_point_of_a_key_is_the_same_before_and_after_it_is_remembered() {
        let (names, points): (Vec<_>, Vec<_>) = keys(9).into_iter().unzip();
        assert_eq!(of(&names), Some(points.clone()));
        remember(&names, &points);
        assert_eq!(of(&names), Some(points));
        let mut off = [0; 32];
        off[0] = 2; // y = 2 is on no point of the curve
        assert_eq!(of(&[names[0], PublicKey(off)]), None);
    }
}
