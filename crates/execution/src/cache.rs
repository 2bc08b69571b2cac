//! What is read again and again of a state, and what was read lately, so that the store below is asked once, and not at all for
//! what it cannot have.
//!
//! Invariant: an entry is what the state has at its key, and no key that it has is taken for missing. Whoever changes the
//! state says so with [`Cache::write`] before anybody reads through the cache again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::cache::ring::Ring;
use crate::keyed::hash;
use crate::keys::Keys;
use crate::state::{Changes, StateRead};

mod ring;

/// The part of a cache, one in so many, for what is not read again and again.
const LATELY: usize = 8;

/// Values within a number of bytes, and which keys there are.
#[derive(Debug)]
pub struct Cache {
    /// What is at keys that are read again and again, from the first value on.
    again: Ring,
    /// What was read lately of the rest. It has a ring of its own, so that it takes nothing's place there.
    lately: Ring,
    keys: Keys,
    is_read_again: fn(&[u8]) -> bool,
    /// By the first byte of keys, a key below which there is none with that byte: where those begin that somebody read from the
    /// beginning. A queue's beginning is what was deleted, and a store walks over what it was told to forget.
    begins: BTreeMap<u8, Vec<u8>>,
}

impl Cache {
    /// An empty cache of about `limit` bytes, for a state of which `keys` are known. What is at keys that `is_read_again` is true of is
    /// kept when it is written, or met while keys are [learned](Cache::learn) and there is room; the rest when it is read:
    /// most objects are written once and read much later.
    pub fn new(limit: usize, keys: Keys, is_read_again: fn(&[u8]) -> bool) -> Self {
        let (again, lately) = (Ring::new(limit - limit / LATELY), Ring::new(limit / LATELY));
        Cache { again, lately, keys, is_read_again, begins: BTreeMap::new() }
    }

    fn ring(&mut self, key: &[u8]) -> &mut Ring {
        if (self.is_read_again)(key) { &mut self.again } else { &mut self.lately }
    }

    /// The state has changed.
    pub fn write(&mut self, changes: &Changes) {
        for (key, value) in changes {
            let hash = hash(key);
            match value {
                Some(value) => {
                    if let Some(begin) = key.first().and_then(|byte| self.begins.get_mut(byte))
                        && key < begin
                    {
                        begin.clone_from(key);
                    }
                    let old = self.keys.wrote(hash, key);
                    if (self.is_read_again)(key) {
                        self.again.put(hash, key, value);
                    } else if old && self.lately.contains(hash, key) {
                        self.lately.put(hash, key, value);
                    }
                }
                None => self.ring(key).remove(hash, key),
            }
        }
    }

    /// If not all keys of the state were met yet, looks at some thousand of them: it has `len`, and all changes are in it. Of a
    /// state whose keys are known nobody asks for what it does not have, as names of new objects. To be called after
    /// each block.
    pub fn learn(&mut self, state: &(impl StateRead + ?Sized), len: usize) {
        self.keys.learn(state, len, |hash, key, value| {
            if (self.is_read_again)(key) {
                self.again.put_if_room(hash, key, value);
            }
        });
    }

    /// Where to look for keys from `from` on: there is none before.
    fn begin<'a>(&self, from: &'a [u8]) -> Cow<'a, [u8]> {
        match from.first().and_then(|byte| self.begins.get(byte)) {
            Some(begin) if from < begin.as_slice() => begin.clone().into(),
            _ => from.into(),
        }
    }

    /// What was `found` in `from..to`, where more than nothing was asked for.
    fn found(&mut self, from: &[u8], to: &[u8], found: &[(Vec<u8>, Vec<u8>)]) {
        let [byte] = *from else { return };
        let Some(next) = byte.checked_add(1).map(|next| [next]) else { return };
        // None of this byte, as far as one looked: that is as far as one can say.
        let looked = to.min(&next);
        let begin = found.first().map_or(looked, |(key, _)| key.as_slice().min(&next));
        let known = self.begins.entry(byte).or_default();
        if begin > known.as_slice() {
            *known = begin.to_vec();
        }
    }
}

/// A state read through a cache. Of ranges it keeps where they begin.
#[derive(Debug)]
pub struct Cached<'a, S: StateRead + ?Sized> {
    base: &'a S,
    cache: &'a RefCell<Cache>,
}

impl<'a, S: StateRead + ?Sized> Cached<'a, S> {
    /// `base`, which is what `cache` is about.
    pub fn new(base: &'a S, cache: &'a RefCell<Cache>) -> Self {
        Cached { base, cache }
    }
}

impl<S: StateRead + ?Sized> StateRead for Cached<'_, S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get_hashed(hash(key), key)
    }

    fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<Vec<u8>> {
        let mut cache = self.cache.borrow_mut();
        if let Some(found) = cache.ring(key).get(hash, key) {
            return Some(found.to_vec());
        }
        if !cache.keys.may_have(hash) {
            return None;
        }
        let value = self.base.get(key)?;
        cache.ring(key).put(hash, key, &value);
        Some(value)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let begin = self.cache.borrow().begin(from);
        let found = self.base.scan(&begin, to, limit);
        if limit > 0 {
            self.cache.borrow_mut().found(from, to, &found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::state::MemState;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Read(u8),
        Scan(Vec<u8>, Vec<u8>, usize),
        Write(Vec<(u8, Option<u8>)>),
    }

    /// Three tables of eight keys.
    fn key(number: u8) -> Vec<u8> {
        vec![number / 8, number % 8]
    }

    fn step() -> impl Strategy<Value = Step> {
        let write = prop::collection::vec((0..24u8, prop::option::of(any::<u8>())), 0..6);
        let bound = || prop_oneof![(0..4u8).prop_map(|table| vec![table]), (0..32u8).prop_map(key), Just(Vec::new())];
        let scan = (bound(), bound(), 0..4usize).prop_map(|(from, to, limit)| Step::Scan(from, to, limit));
        prop_oneof![3 => (0..24u8).prop_map(Step::Read), 3 => scan, 1 => write.prop_map(Step::Write)]
    }

    proptest! {
        #[test]
        fn a_cache_of_any_size_answers_as_the_state(
            limit in 0..6_000usize, learns: bool, steps in prop::collection::vec(step(), 0..200),
        ) {
            let cache = RefCell::new(Cache::new(limit, Keys::walking(3), |key| key[0] == 1));
            let mut state = MemState::new();
            for step in steps {
                match step {
                    Step::Read(number) => {
                        prop_assert_eq!(Cached::new(&state, &cache).get(&key(number)), state.get(&key(number)));
                    }
                    Step::Scan(from, to, limit) => {
                        let found = Cached::new(&state, &cache).scan(&from, &to, limit);
                        prop_assert_eq!(found, state.scan(&from, &to, limit));
                    }
                    Step::Write(writes) => {
                        let changes = writes.into_iter().map(|(k, v)| (key(k), v.map(|v| vec![v; v.into()]))).collect();
                        state.apply(&changes);
                        cache.borrow_mut().write(&changes);
                        if learns {
                            cache.borrow_mut().learn(&state, state.len());
                        }
                    }
                }
            }
        }
    }

    /// A state that must not be asked.
    struct Untouchable;

    impl StateRead for Untouchable {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            panic!("asked for {key:?}")
        }

        fn scan(&self, _: &[u8], _: &[u8], _: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
            Vec::new()
        }
    }

    /// A state of which only keys from one on may be asked for.
    struct Above(MemState, Vec<u8>);

    impl StateRead for Above {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            self.0.get(key)
        }

        fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
            assert!(*from >= *self.1, "asked from {from:?}");
            self.0.scan(from, to, limit)
        }
    }

    #[test]
    fn what_left_a_queue_is_not_walked_over_again() {
        let changes =
            |from: u8, to: u8, value: Option<Vec<u8>>| (from..to).map(|n| (vec![5, n], value.clone())).collect();
        let mut state = MemState::new();
        state.apply(&changes(10, 200, Some(vec![1])));
        let cache = RefCell::new(Cache::new(10_000, Keys::default(), |_| false));
        let first = |state: &dyn StateRead| Cached::new(state, &cache).scan(&[5], &[6], 1).pop().map(|(key, _)| key[1]);
        assert_eq!(first(&state), Some(10));
        let write = |state: &mut MemState, changes: Changes| {
            state.apply(&changes);
            cache.borrow_mut().write(&changes);
        };
        write(&mut state, changes(10, 100, None));
        assert_eq!(first(&Above(state.clone(), vec![5, 10])), Some(100));
        assert_eq!(first(&Above(state.clone(), vec![5, 100])), Some(100));
        let due = Cached::new(&Above(state.clone(), vec![5, 100]), &cache).scan(&[5], &[5, 50], 9);
        assert_eq!(due, []);
        write(&mut state, changes(30, 31, Some(vec![2])));
        assert_eq!(first(&Above(state.clone(), vec![5, 30])), Some(30));
        write(&mut state, changes(0, 255, None));
        assert_eq!((first(&state), first(&Above(state.clone(), vec![6]))), (None, None));
        write(&mut state, changes(7, 8, Some(vec![3])));
        assert_eq!(first(&state), Some(7));
    }

    #[test]
    fn what_was_read_is_not_asked_again() {
        let mut state = MemState::new();
        state.apply(&[(vec![1], Some(vec![10]))].into());
        let cache = RefCell::new(Cache::new(10_000, Keys::default(), |_| false));
        assert_eq!(Cached::new(&state, &cache).get(&[1]), Some(vec![10]));
        cache.borrow_mut().write(&[(vec![1], Some(vec![11; 3]))].into());
        assert_eq!(Cached::new(&Untouchable, &cache).get(&[1]), Some(vec![11; 3]));
    }

    #[test]
    fn what_is_known_to_be_missing_is_not_asked() {
        let mut state = MemState::new();
        let changes = [(vec![1], Some(vec![10]))].into();
        state.apply(&changes);
        let cache = RefCell::new(Cache::new(10_000, Keys::default(), |_| false));
        cache.borrow_mut().learn(&state, state.len());
        let cached = Cached::new(&Untouchable, &cache);
        assert_eq!((cached.get(&[2]), cached.get(&[3])), (None, None));
        assert_eq!(Cached::new(&state, &cache).get(&[1]), Some(vec![10]));
        let changes = [(vec![1], None), (vec![2], Some(vec![20]))].into();
        state.apply(&changes);
        cache.borrow_mut().write(&changes);
        let cached = Cached::new(&state, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2]), cached.get(&[3])), (None, Some(vec![20]), None));
    }

    #[test]
    fn what_is_new_is_asked_once_and_not_before_it_is_read() {
        let mut state = MemState::new();
        let cache = RefCell::new(Cache::new(10_000, Keys::default(), |_| false));
        assert_eq!(Cached::new(&state, &cache).get(&[1]), None);
        let changes = [(vec![1], Some(vec![10])), (vec![2], Some(vec![20]))].into();
        state.apply(&changes);
        cache.borrow_mut().write(&changes);
        assert!(!cache.borrow().lately.contains(hash(&[1]), &[1]));
        let cached = Cached::new(&state, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2])), (Some(vec![10]), Some(vec![20])));
        let cached = Cached::new(&Untouchable, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2])), (Some(vec![10]), Some(vec![20])));
    }

    #[test]
    fn what_comes_back_is_not_asked_for_once() {
        let mut state = MemState::new();
        let tables = |value: u8| [(vec![1, 1], Some(vec![value])), (vec![2, 1], Some(vec![value]))].into();
        state.apply(&tables(10));
        let ((), told) = Keys::of(|tell| state.iter().for_each(|(key, _)| tell(key)));
        for keys in [Keys::default(), told] {
            let cache = RefCell::new(Cache::new(10_000, keys, |key| key[0] == 1));
            cache.borrow_mut().learn(&state, state.len());
            assert_eq!(Cached::new(&Untouchable, &cache).get(&[1, 1]), Some(vec![10]));
            let changes = [(vec![1, 2], Some(vec![20])), (vec![2, 2], Some(vec![20]))].into();
            cache.borrow_mut().write(&changes);
            assert_eq!(Cached::new(&Untouchable, &cache).get(&[1, 2]), Some(vec![20]));
            assert!(![[2, 1], [2, 2]].iter().any(|key| cache.borrow().lately.contains(hash(key), key)));
        }
    }

    #[test]
    fn what_is_read_once_takes_no_place_of_what_comes_back() {
        let mut state = MemState::new();
        state.apply(&(0..200).map(|n| (vec![2, n], Some(vec![n; 100]))).collect());
        let cache = RefCell::new(Cache::new(8_000, Keys::default(), |key| key[0] == 1));
        cache.borrow_mut().write(&(0..10).map(|n| (vec![1, n], Some(vec![n; 100]))).collect());
        for n in 0..200 {
            assert_eq!(Cached::new(&state, &cache).get(&[2, n]), Some(vec![n; 100]));
        }
        assert!((0..10).all(|n| Cached::new(&Untouchable, &cache).get(&[1, n]) == Some(vec![n; 100])));
    }
}
