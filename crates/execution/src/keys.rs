//! Which keys a state may have, in a few bits each: it is not asked for what it cannot have.
//!
//! Invariant: a key that the state has is never said to be missing. Every key that was written since a walk through the
//! state began is noted, and every other one was met by the walk; nothing is said before one has ended. Whoever reads the
//! whole state anyway tells its keys instead, and the walk is for those who want what is at them.

use fastbloom::{BloomFilter, DefaultHasher};

use crate::keyed::hash;
use crate::state::{Changes, StateRead};

/// Bits of a key, and how many of them are looked at: of keys that were never written one in two hundred seems to have
/// been in a part that is full.
const BITS: usize = 11;
const LOOKS: u32 = 8;
/// Keys that a filter has room for at least.
const LEAST_ROOM: usize = 1 << 16;
/// Keys that a step of a walk reads, beside twice as many as were written since the last one: so it gets ahead of whoever
/// writes in front of it. A step is taken after each block.
const STEP: usize = 4096;
/// When a filter holds so many times as many keys as the state has, and [`LEAST_ROOM`] more, most are of keys that are gone,
/// and a new one is made.
const STALE: usize = 4;
/// Keys of a state are shorter, so this is above them all.
const END: [u8; 1025] = [0xff; 1025];

/// What is known of a state's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Every key of the state.
    known: Option<Filter>,
    /// The next one to be known: what a walk has met, and where it goes on.
    walk: Option<(Filter, Vec<u8>)>,
    /// Whether a walk has met all keys.
    met: bool,
    /// Keys that were written since the last step.
    written: usize,
    step: usize,
}

impl Default for Keys {
    /// Nothing is known.
    fn default() -> Self {
        Keys::walking(STEP)
    }
}

impl Keys {
    /// Nothing is known, and a step of the walk that finds out reads so many keys: for tests of what happens between steps.
    pub fn walking(step: usize) -> Self {
        Keys { known: None, walk: None, met: false, written: 0, step: step.max(1) }
    }

    /// Every key that `tell` passes on is noted, and no state has others.
    pub fn of<T>(tell: impl FnOnce(&mut dyn FnMut(&[u8])) -> T) -> (T, Self) {
        let mut known = Filter::default();
        let told = tell(&mut |key| {
            known.insert(hash(key));
        });
        (told, Keys { known: Some(known), ..Keys::default() })
    }

    /// The state has changed.
    pub fn write(&mut self, changes: &Changes) {
        for (key, _) in changes.iter().filter(|(_, value)| value.is_some()) {
            self.wrote(hash(key), key);
        }
    }

    /// False only if the state has no key with this hash.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        self.known.as_ref().is_none_or(|known| known.contains(hash))
    }

    /// A key with this hash was written. What is deleted stays noted. False only if no key of the hash was in the state
    /// before.
    pub(crate) fn wrote(&mut self, hash: u64, key: &[u8]) -> bool {
        debug_assert!(key.len() < END.len());
        self.written = self.written.saturating_add(1);
        if let Some((met, _)) = &mut self.walk {
            met.insert(hash);
        }
        self.known.as_mut().is_none_or(|known| known.insert(hash))
    }

    /// Goes a step through `state`, which has `len` keys and in which all that was [written](Keys::wrote) is, if there is
    /// something to learn, and tells `meet` hash, key and value of what it meets. Every key that is written from now on has to
    /// be told.
    pub(crate) fn learn(
        &mut self,
        state: &(impl StateRead + ?Sized),
        len: usize,
        mut meet: impl FnMut(u64, &[u8], &[u8]),
    ) {
        let step = self.step.saturating_add(std::mem::take(&mut self.written).saturating_mul(2));
        let stale = |known: &Filter| known.held > len.saturating_mul(STALE).saturating_add(LEAST_ROOM);
        if self.met && self.known.as_ref().is_some_and(|known| !stale(known)) {
            self.walk = None;
            return;
        }
        let begin = || (Filter::with_room(len.saturating_mul(2)), Vec::new());
        let (mut filter, mut from) = self.walk.take().unwrap_or_else(begin);
        let met = state.scan(&from, &END, step);
        for (key, value) in &met {
            let hash = hash(key);
            filter.insert(hash);
            meet(hash, key, value);
        }
        match met.last() {
            Some((last, _)) if met.len() >= step => {
                from.clone_from(last);
                from.push(0);
                self.walk = Some((filter, from));
            }
            _ => (self.known, self.met) = (Some(filter), true),
        }
    }
}

/// Hashes, of which none that was put in is missed. It grows.
#[derive(Clone, Debug, Default)]
struct Filter {
    parts: Vec<BloomFilter<DefaultHasher>>,
    /// Hashes in it, and how many its parts are made for.
    held: usize,
    room: usize,
}

impl Filter {
    fn with_room(room: usize) -> Self {
        let mut filter = Filter::default();
        filter.grow(room);
        filter
    }

    fn grow(&mut self, by: usize) {
        let room = by.max(LEAST_ROOM);
        self.room += room;
        self.parts.push(BloomFilter::with_num_bits(room * BITS).seed(&0).hashes(LOOKS));
    }

    fn contains(&self, hash: u64) -> bool {
        self.parts.iter().rev().any(|part| part.contains_hash(hash))
    }

    /// Whether it seemed to be there already.
    fn insert(&mut self, hash: u64) -> bool {
        if self.contains(hash) {
            return true;
        }
        if self.held == self.room {
            // Four times as much in all: few parts, and little that is not used.
            self.grow(self.room * 3);
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
    use crate::state::MemState;
    use proptest::prelude::*;

    fn key(number: u32) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn write(state: &mut MemState, keys: &mut Keys, changes: &Changes) {
        state.apply(changes);
        keys.write(changes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// However writes fall between the steps of a walk, whatever they read.
        #[test]
        fn no_key_of_the_state_is_missed(
            left_out in 0..7u32,
            step in prop_oneof![1..9usize, 5_000..60_000usize],
            blocks in prop::collection::vec(prop::collection::vec((0..60_000u32, any::<bool>()), 0..200), 16),
        ) {
            let (mut state, mut keys) = (MemState::new(), Keys::walking(step));
            state.apply(&(0..60_000).filter(|n| n % 7 != left_out).map(|n| (key(n), Some(vec![1]))).collect());
            for block in blocks {
                let changes = block.into_iter().map(|(n, put)| (key(n), put.then(|| vec![2]))).collect();
                write(&mut state, &mut keys, &changes);
                keys.learn(&state, state.len(), |_, _, _| {});
                for (key, _) in state.iter() {
                    prop_assert!(keys.may_have(hash(key)));
                }
            }
            prop_assert_eq!(keys.known.is_some(), step >= 5_000);
            prop_assert!(keys.walk.is_none() == keys.known.is_some());
            let absent = (60_000..70_000).filter(|n| !keys.may_have(hash(&key(*n)))).count();
            prop_assert!(absent > 9_900 || step < 9, "{absent}");
        }
    }

    #[test]
    fn keys_at_either_end_are_met() {
        let (mut state, mut keys) = (MemState::new(), Keys::default());
        let ends = [vec![], vec![0], vec![0xff], vec![0xff; 1024]];
        state.apply(&ends.iter().map(|key| (key.clone(), Some(vec![]))).collect());
        keys.learn(&state, state.len(), |_, _, _| {});
        assert!(ends.iter().all(|key| keys.may_have(hash(key))));
        assert!(!keys.may_have(hash(&[1])));
    }

    #[test]
    fn a_filter_grows_and_stays_sharp() {
        let mut filter = Filter::default();
        let hashes = |range: std::ops::Range<u32>| range.map(|n| hash(&key(n)));
        let many = (LEAST_ROOM * 6) as u32;
        for hash in hashes(0..many) {
            filter.insert(hash);
            assert!(filter.insert(hash));
        }
        assert!(hashes(0..many).all(|hash| filter.contains(hash)));
        assert!(filter.held <= many as usize && filter.held > many as usize * 98 / 100, "{}", filter.held);
        assert_eq!(filter.parts.len(), 3);
        assert_eq!(filter.room, LEAST_ROOM * 16);
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
            keys.learn(&state, state.0.len(), |_, _, _| {});
        }
        let steps = state.1.get();
        assert_eq!(steps, 1, "twice what was written is read at once");
        // More keys come and go than the state has left.
        let gone = 100_000..100_000 + (4 * 20_000 + LEAST_ROOM as u32) * 102 / 100;
        for number in gone.clone() {
            keys.wrote(hash(&key(number)), &key(number));
        }
        keys.written = 0;
        for _ in 0..2 {
            keys.learn(&state, state.0.len(), |_, _, _| {});
            assert!(gone.clone().all(|number| keys.may_have(hash(&key(number)))));
        }
        write(&mut state.0, &mut keys, &[(key(50_000), Some(vec![2]))].into());
        for _ in 0..9 {
            keys.learn(&state, state.0.len(), |_, _, _| {});
        }
        assert_eq!(state.1.get(), steps + 5);
        assert!((0..20_000).chain([50_000]).all(|number| keys.may_have(hash(&key(number)))));
        assert!(gone.filter(|number| keys.may_have(hash(&key(*number)))).count() < 20_000);
    }

    #[test]
    fn keys_that_are_told_are_known_and_met_later() {
        let mut state = MemState::new();
        state.apply(&[3, 5, 8].map(|n| (key(n), Some(vec![n as u8]))).into());
        let ((), mut keys) = Keys::of(|tell| state.iter().for_each(|(key, _)| tell(key)));
        keys.step = 2;
        let known = |keys: &Keys| (0..10).filter(|n| keys.may_have(hash(&key(*n)))).collect::<Vec<_>>();
        assert_eq!(known(&keys), [3, 5, 8]);
        let mut met = Vec::new();
        let mut learn = |keys: &mut Keys, state: &MemState| {
            keys.learn(state, state.len(), |_, _, value| met.extend_from_slice(value));
        };
        learn(&mut keys, &state);
        assert_eq!(known(&keys), [3, 5, 8], "before the walk's end too");
        write(
            &mut state,
            &mut keys,
            &[(key(1), Some(vec![1])), (key(2), None), (key(3), None), (key(9), Some(vec![9]))].into(),
        );
        assert_eq!(known(&keys), [1, 3, 5, 8, 9]);
        for _ in 0..3 {
            learn(&mut keys, &state);
        }
        assert_eq!(known(&keys), [1, 3, 5, 8, 9]);
        assert_eq!(met, [3, 5, 8, 9], "each once, as the state had it then");
    }

    /// However many keys are written in front of it.
    #[test]
    fn a_walk_ends() {
        let (mut state, mut keys) = (MemState::new(), Keys::walking(1));
        let mut next = 0;
        for _ in 0..40 {
            let changes = (next..next + 500).map(|n| (key(n), Some(vec![1]))).collect();
            next += 500;
            write(&mut state, &mut keys, &changes);
            keys.learn(&state, state.len(), |_, _, _| {});
        }
        assert!(keys.known.is_some());
        assert!((0..next).all(|n| keys.may_have(hash(&key(n)))));
    }
}
