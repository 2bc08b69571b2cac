//! What was lately read from a state, so that the store below is asked once, and not at all for what it cannot have.
//!
//! Invariant: an entry is what the state has at its key, and no key that it has is taken for missing. Whoever changes the
//! state says so with [`Cache::write`] before anybody reads through the cache again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::keyed::hash;
use crate::keys::Keys;
use crate::state::{Changes, StateRead};

/// What an entry takes beside its key and value, about.
const ENTRY_BYTES: usize = 48;

/// Values that were read lately, within a number of bytes, and which keys there are.
#[derive(Debug)]
pub struct Cache {
    /// What was touched since the last turn, and what was touched in the turn before: when the young are half of what may be
    /// kept they take the place of the old.
    young: Generation,
    old: Generation,
    limit: usize,
    keys: Keys,
    /// By the first byte of keys, a key below which there is none with that byte: where those begin that somebody read from the
    /// beginning. A queue's beginning is what was deleted, and a store walks over what it was told to forget.
    begins: BTreeMap<u8, Vec<u8>>,
}

/// Entries by hash; their bytes stand one after the other. So an entry has no memory of its own that would have to be found,
/// and a look-up touches two places.
#[derive(Debug, Default)]
struct Generation {
    places: HashTable<Place>,
    /// Each entry's key and value, side by side; also what was written over since by something longer or shorter.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    at: u32,
    key: u32,
    value: u32,
}

impl Place {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at as usize..][..self.key as usize]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at as usize + self.key as usize..][..self.value as usize]
    }
}

impl Generation {
    /// Forgets all, and keeps the memory for what comes: memory that the system gives anew costs more than what is put
    /// there.
    fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.places.len() * ENTRY_BYTES
    }

    fn get(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        let place = self.places.find(hash, |place| place.key(&self.bytes) == key)?;
        Some(place.value(&self.bytes))
    }

    fn remove(&mut self, hash: u64, key: &[u8]) {
        if let Ok(place) = self.places.find_entry(hash, |place| place.key(&self.bytes) == key) {
            place.remove();
        }
    }

    /// False if the entry has no place, because offsets end at 4 GiB.
    fn put(&mut self, hash: u64, key: &[u8], value: &[u8]) -> bool {
        let bytes = &mut self.bytes;
        let [at, key_length, length] = [bytes.len(), key.len(), value.len()].map(u32::try_from);
        let (Ok(at), Ok(key_length), Ok(length)) = (at, key_length, length) else { return false };
        let new = Place { hash, at, key: key_length, value: length };
        match self.places.entry(hash, |place| place.key(bytes) == key, |place| place.hash) {
            Entry::Occupied(mut place) => {
                let place = place.get_mut();
                if place.value == length {
                    let from = place.at as usize + place.key as usize;
                    bytes[from..from + value.len()].copy_from_slice(value);
                    return true;
                }
                *place = new;
            }
            Entry::Vacant(place) => {
                place.insert(new);
            }
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        true
    }
}

impl Cache {
    /// An empty cache of about `limit` bytes, for a state of which `keys` are known.
    pub fn new(limit: usize, keys: Keys) -> Self {
        Cache { young: Generation::default(), old: Generation::default(), limit, keys, begins: BTreeMap::new() }
    }

    /// The state has changed. What is new in it enters the cache when it is read: most objects are written once and read
    /// much later.
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
                    if old && self.contains(hash, key) {
                        self.put(hash, key, value);
                    }
                }
                None => {
                    self.young.remove(hash, key);
                    self.old.remove(hash, key);
                }
            }
        }
    }

    /// If not all keys of the state are known, looks at some thousand of them: it has `len`, and all changes are in it. Of a
    /// state whose keys are known nobody asks for what it does not have, as names of new objects. To be called after
    /// each block.
    pub fn learn(&mut self, state: &(impl StateRead + ?Sized), len: usize) {
        self.keys.learn(state, len);
    }

    fn put(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        if self.young.bytes.capacity() == 0 {
            // All at once: growing would move it again and again. The system gives memory when it is written to.
            self.young.bytes.reserve(self.limit / 2);
        }
        if !self.young.put(hash, key, value) {
            // What is not in a cache is asked of the state.
            (self.young, self.old) = (Generation::default(), Generation::default());
        } else if self.young.size() > self.limit / 2 {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
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

    fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.young.get(hash, key).or_else(|| self.old.get(hash, key)).is_some()
    }

    fn get(&mut self, hash: u64, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(found) = self.young.get(hash, key) {
            return Some(found.to_vec());
        }
        let found = self.old.get(hash, key)?.to_vec();
        self.put(hash, key, &found);
        Some(found)
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
        if let Some(found) = cache.get(hash, key) {
            return Some(found);
        }
        if !cache.keys.may_have(hash) {
            return None;
        }
        let value = self.base.get(key)?;
        cache.put(hash, key, &value);
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
            let cache = RefCell::new(Cache::new(limit, Keys::walking(3)));
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
                let cache = cache.borrow();
                prop_assert!(cache.young.size().max(cache.old.size()) <= limit / 2 + ENTRY_BYTES + 257);
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
        let cache = RefCell::new(Cache::new(10_000, Keys::default()));
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
        let cache = RefCell::new(Cache::new(10_000, Keys::default()));
        assert_eq!(Cached::new(&state, &cache).get(&[1]), Some(vec![10]));
        cache.borrow_mut().write(&[(vec![1], Some(vec![11; 3]))].into());
        assert_eq!(Cached::new(&Untouchable, &cache).get(&[1]), Some(vec![11; 3]));
    }

    #[test]
    fn what_is_known_to_be_missing_is_not_asked() {
        let mut state = MemState::new();
        let changes = [(vec![1], Some(vec![10]))].into();
        state.apply(&changes);
        let cache = RefCell::new(Cache::new(10_000, Keys::default()));
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
        let cache = RefCell::new(Cache::new(10_000, Keys::default()));
        assert_eq!(Cached::new(&state, &cache).get(&[1]), None);
        let changes = [(vec![1], Some(vec![10])), (vec![2], Some(vec![20]))].into();
        state.apply(&changes);
        cache.borrow_mut().write(&changes);
        assert_eq!(cache.borrow().young.places.len(), 0);
        let cached = Cached::new(&state, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2])), (Some(vec![10]), Some(vec![20])));
        let cached = Cached::new(&Untouchable, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2])), (Some(vec![10]), Some(vec![20])));
    }
}
