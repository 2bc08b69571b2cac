//! Which keys a state may have, in a few bits each: it is not asked for what it cannot have.
//!
//! Invariant: a key that the state has is never said to be missing. Every key that was written since a walk through the state
//! began is noted, and every other one was met by the walk; nothing is said before one has ended.

use fastbloom::{BloomFilter, DefaultHasher};

use crate::keyed::hash;
use crate::state::StateRead;

/// Of keys that were never written, the part that may seem to have been: it costs a look at the state.
const FALSE_POSITIVES: f64 = 0.005;
/// Keys that the first part of a filter has room for; each further one has four times as much as the one before.
const FIRST_ROOM: usize = 1 << 16;
const GROWTH_BITS: usize = 2;
/// Keys that a step of a walk reads. A step is taken after each block.
const STEP: usize = 8192;
/// When a filter holds so many times as many keys as the state has, and [`FIRST_ROOM`] more, most are of keys that are gone, and a
/// new one is made.
const STALE: usize = 4;
/// Above every key of a state, the longest of which has 1,024 bytes.
const END: [u8; 1025] = [0xff; 1025];

/// What is known of a state's keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Every key of the state.
    known: Option<Filter>,
    /// The next one to be known: what a walk has met, and where it goes on.
    walk: Option<(Filter, Vec<u8>)>,
}

impl Keys {
    /// False only if the state has no key with this hash.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        self.known.as_ref().is_none_or(|known| known.contains(hash))
    }

    /// A key with this hash was written. What is deleted stays noted. False only if no key of the hash was in the state before.
    pub(crate) fn wrote(&mut self, hash: u64) -> bool {
        if let Some((met, _)) = &mut self.walk {
            met.insert(hash);
        }
        self.known.as_mut().is_none_or(|known| known.insert(hash))
    }

    /// Goes a step through `state`, which has `len` keys and in which all that was [written](Keys::wrote) is, if there is
    /// something to learn. Every key that is written from now on has to be told.
    pub(crate) fn learn(&mut self, state: &(impl StateRead + ?Sized), len: usize) {
        let stale = |known: &Filter| known.held > len.saturating_mul(STALE).saturating_add(FIRST_ROOM);
        if self.known.as_ref().is_some_and(|known| !stale(known)) {
            return;
        }
        let (mut filter, mut from) = self.walk.take().unwrap_or_default();
        let met = state.scan(&from, &END, STEP);
        for (key, _) in &met {
            filter.insert(hash(key));
        }
        match met.into_iter().nth(STEP - 1) {
            Some((last, _)) => {
                from = last;
                from.push(0);
                self.walk = Some((filter, from));
            }
            None => self.known = Some(filter),
        }
    }
}

/// Hashes, of which none that was put in is missed. It grows.
#[derive(Debug, Default)]
struct Filter {
    parts: Vec<BloomFilter<DefaultHasher>>,
    /// Hashes in it, and how many its parts are made for.
    held: usize,
    room: usize,
}

impl Filter {
    fn contains(&self, hash: u64) -> bool {
        self.parts.iter().rev().any(|part| part.contains_hash(hash))
    }

    /// Whether it seemed to be there already.
    fn insert(&mut self, hash: u64) -> bool {
        if self.contains(hash) {
            return true;
        }
        if self.held == self.room {
            let room = FIRST_ROOM << (GROWTH_BITS * self.parts.len());
            self.room += room;
            self.parts.push(BloomFilter::with_false_pos(FALSE_POSITIVES).seed(&0).expected_items(room));
        }
        if let Some(last) = self.parts.last_mut() {
            last.insert_hash(hash);
            self.held += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;
    use crate::state::{Changes, MemState};
    use proptest::prelude::*;

    fn key(number: u32) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn write(state: &mut MemState, keys: &mut Keys, changes: &Changes) {
        state.apply(changes);
        for (key, _) in changes.iter().filter(|(_, value)| value.is_some()) {
            keys.wrote(hash(key));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// However writes fall between the steps of a walk, which takes seven here.
        #[test]
        fn no_key_of_the_state_is_missed(
            left_out in 0..7u32,
            blocks in prop::collection::vec(prop::collection::vec((0..60_000u32, any::<bool>()), 0..200), 9),
        ) {
            let (mut state, mut keys) = (MemState::new(), Keys::default());
            state.apply(&(0..60_000).filter(|n| n % 7 != left_out).map(|n| (key(n), Some(vec![1]))).collect());
            for block in blocks {
                let changes = block.into_iter().map(|(n, put)| (key(n), put.then(|| vec![2]))).collect();
                write(&mut state, &mut keys, &changes);
                keys.learn(&state, state.len());
                for (key, _) in state.iter() {
                    prop_assert!(keys.may_have(hash(key)));
                }
            }
            prop_assert!(keys.known.is_some() && keys.walk.is_none());
            let absent = (60_000..70_000).filter(|n| !keys.may_have(hash(&key(*n)))).count();
            prop_assert!(absent > 9_900, "{absent}");
        }
    }

    #[test]
    fn keys_at_either_end_are_met() {
        let (mut state, mut keys) = (MemState::new(), Keys::default());
        let ends = [vec![], vec![0], vec![0xff], vec![0xff; 1024]];
        state.apply(&ends.iter().map(|key| (key.clone(), Some(vec![]))).collect());
        keys.learn(&state, state.len());
        assert!(ends.iter().all(|key| keys.may_have(hash(key))));
        assert!(!keys.may_have(hash(&[1])));
    }

    #[test]
    fn a_filter_grows_and_stays_sharp() {
        let mut filter = Filter::default();
        let hashes = |range: std::ops::Range<u32>| range.map(|n| hash(&key(n)));
        let many = (FIRST_ROOM * 6) as u32;
        for hash in hashes(0..many) {
            filter.insert(hash);
            filter.insert(hash);
        }
        assert!(hashes(0..many).all(|hash| filter.contains(hash)));
        assert!(filter.held <= many as usize && filter.held > many as usize * 98 / 100, "{}", filter.held);
        assert_eq!(filter.parts.len(), 3);
        let wrong = hashes(many..many + 100_000).filter(|hash| filter.contains(*hash)).count();
        assert!(wrong < 1_500, "{wrong}");
    }

    /// A state that counts the steps of walks.
    struct Counted(MemState, Cell<usize>);

    impl StateRead for Counted {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            self.0.get(key)
        }

        fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
            self.1.set(self.1.get() + 1);
            self.0.scan(from, to, limit)
        }
    }

    #[test]
    fn a_filter_of_keys_that_are_gone_is_made_anew() {
        let (mut state, mut keys) = (Counted(MemState::new(), Cell::new(0)), Keys::default());
        let changes = (0..20_000).map(|n| (key(n), Some(vec![1]))).collect();
        write(&mut state.0, &mut keys, &changes);
        for _ in 0..9 {
            keys.learn(&state, state.0.len());
        }
        assert_eq!(state.1.get(), 3);
        // More keys come and go than the state has left.
        let gone = 100_000..100_000 + (4 * 20_000 + FIRST_ROOM as u32) * 102 / 100;
        for number in gone.clone() {
            keys.wrote(hash(&key(number)));
        }
        for _ in 0..2 {
            keys.learn(&state, state.0.len());
            assert!(gone.clone().all(|number| keys.may_have(hash(&key(number)))));
        }
        write(&mut state.0, &mut keys, &[(key(50_000), Some(vec![2]))].into());
        for _ in 0..9 {
            keys.learn(&state, state.0.len());
        }
        assert_eq!(state.1.get(), 6);
        assert!((0..20_000).chain([50_000]).all(|number| keys.may_have(hash(&key(number)))));
        assert!(gone.filter(|number| keys.may_have(hash(&key(*number)))).count() < 20_000);
    }
}
