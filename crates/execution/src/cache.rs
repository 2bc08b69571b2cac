//! What was lately read from a state or written to it, so that the store below is asked once.
//!
//! Invariant: an entry is what the state has at its key. Whoever changes the state says so with [`Cache::write`] before
//! anybody reads through the cache again.

use std::cell::RefCell;

use crate::keyed::{Keyed, hash};
use crate::state::{Changes, StateRead};

/// What an entry takes beside its key and value, about.
const ENTRY_BYTES: usize = 128;

/// Values that were read or written lately, absent ones included, within a number of bytes.
#[derive(Debug)]
pub struct Cache {
    /// What was touched since the last turn, and what was touched in the turn before: when the young are half of what may be
    /// kept they take the place of the old.
    young: Generation,
    old: Generation,
    limit: usize,
}

#[derive(Debug, Default)]
struct Generation {
    entries: Keyed<Option<Option<Vec<u8>>>>,
    bytes: usize,
}

impl Cache {
    /// An empty cache of about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Cache { young: Generation::default(), old: Generation::default(), limit }
    }

    /// The state has changed.
    pub fn write(&mut self, changes: &Changes) {
        for (key, value) in changes {
            self.put(hash(key), key, value.clone());
        }
    }

    fn put(&mut self, hash: u64, key: &[u8], value: Option<Vec<u8>>) {
        let at = self.young.entries.place_hashed(hash, key);
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let new = size(&value);
        match self.young.entries[at].replace(value) {
            Some(before) => self.young.bytes -= size(&before),
            None => self.young.bytes += ENTRY_BYTES + key.len(),
        }
        self.young.bytes += new;
        if self.young.bytes > self.limit / 2 {
            let next = Generation { entries: Keyed::with_capacity(self.young.entries.len()), bytes: 0 };
            self.old = std::mem::replace(&mut self.young, next);
        }
    }

    fn get(&mut self, hash: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let young = self.young.entries.get_hashed(hash, key).and_then(Option::as_ref);
        if let Some(found) = young {
            return Some(found.clone());
        }
        let found = self.old.entries.get_hashed(hash, key)?.clone()?;
        self.put(hash, key, found.clone());
        Some(found)
    }
}

/// A state read through a cache. Ranges are not cached.
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
        let hash = hash(key);
        if let Some(found) = self.cache.borrow_mut().get(hash, key) {
            return found;
        }
        let value = self.base.get(key);
        self.cache.borrow_mut().put(hash, key, value.clone());
        value
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.base.scan(from, to, limit)
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
        Write(Vec<(u8, Option<u8>)>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let write = prop::collection::vec((0..24u8, prop::option::of(any::<u8>())), 0..6);
        prop_oneof![3 => (0..24u8).prop_map(Step::Read), 1 => write.prop_map(Step::Write)]
    }

    proptest! {
        #[test]
        fn a_cache_of_any_size_answers_as_the_state(
            limit in 0..6_000usize, steps in prop::collection::vec(step(), 0..200),
        ) {
            let cache = RefCell::new(Cache::new(limit));
            let mut state = MemState::new();
            for step in steps {
                match step {
                    Step::Read(key) => {
                        prop_assert_eq!(Cached::new(&state, &cache).get(&[key]), state.get(&[key]));
                    }
                    Step::Write(writes) => {
                        let changes = writes.into_iter().map(|(k, v)| (vec![k], v.map(|v| vec![v; v.into()]))).collect();
                        state.apply(&changes);
                        cache.borrow_mut().write(&changes);
                    }
                }
                let cache = cache.borrow();
                prop_assert!(cache.young.bytes.max(cache.old.bytes) <= limit / 2 + ENTRY_BYTES + 256);
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

    #[test]
    fn what_was_read_or_written_is_not_asked_again() {
        let mut state = MemState::new();
        state.apply(&[(vec![1], Some(vec![10]))].into());
        let cache = RefCell::new(Cache::new(10_000));
        let cached = Cached::new(&state, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2])), (Some(vec![10]), None));
        cache.borrow_mut().write(&[(vec![1], None), (vec![3], Some(vec![30]))].into());
        let cached = Cached::new(&Untouchable, &cache);
        assert_eq!((cached.get(&[1]), cached.get(&[2]), cached.get(&[3])), (None, None, Some(vec![30])));
    }
}
