//! The state as ordered keys and values, and views that lay unwritten changes over it.
//!
//! Invariant: every view answers as a plain map would in which the changes had been written, oldest layer first.
//!
//! ```text
//! Overlay    what the block being executed has written so far
//! Layered    decided blocks not yet written, newest above
//! base       what is stored (or MemState)
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::keyed::Keyed;

/// Keys and their new values; `None` deletes.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// State that can be read. Whoever stores state implements it.
pub trait StateRead {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Keys and values with `from ≤ key < to` in ascending order of keys, the first `limit` of them. A range that ends
    /// before it begins is empty.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

impl<S: StateRead + ?Sized> StateRead for &S {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        (**self).scan(from, to, limit)
    }
}

/// State in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemState {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemState {
    /// State without any key.
    pub fn new() -> Self {
        MemState::default()
    }

    /// Writes `changes`.
    pub fn apply(&mut self, changes: &Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
    }

    /// Every key and value in ascending order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl StateRead for MemState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(key).cloned()
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        self.entries.range::<[u8], _>(bounds(from, to)).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

/// Blocks' changes over a base that does not have them yet.
#[derive(Debug)]
pub struct Layered<'a, S: StateRead + ?Sized> {
    base: &'a S,
    layers: Vec<&'a Changes>,
}

impl<'a, S: StateRead + ?Sized> Layered<'a, S> {
    /// `layers` over `base`, the oldest first.
    pub fn new(base: &'a S, layers: impl IntoIterator<Item = &'a Changes>) -> Self {
        Layered { base, layers: layers.into_iter().collect() }
    }
}

impl<S: StateRead + ?Sized> StateRead for Layered<'_, S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.layers.iter().rev().find_map(|layer| layer.get(key)) {
            Some(written) => written.clone(),
            None => self.base.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        let written = self.layers.iter().map(|layer| {
            let range = layer.range::<[u8], _>(bounds(from, to));
            range.map(|(key, value)| (key, value.as_ref()))
        });
        merged_scan(self.base, written.collect(), from, to, limit)
    }
}

/// What an overlay knows of a key.
#[derive(Debug, Default)]
struct Slot {
    /// What the base has, once it was asked.
    before: Option<Option<Vec<u8>>>,
    /// What was written, if anything was.
    now: Option<Option<Vec<u8>>>,
}

/// A key whose value an overlay changes; without a value it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: Vec<u8>,
    /// What the base has.
    pub before: Option<Vec<u8>>,
    /// What was written.
    pub now: Option<Vec<u8>>,
}

/// State under execution: reads through to a base and collects what is written. What was read once is not read from the
/// base again, because most actions of a block read the same few settings, items and platforms.
#[derive(Debug)]
pub struct Overlay<'a, S: StateRead + ?Sized> {
    base: &'a S,
    touched: RefCell<Keyed<Slot>>,
    /// Written keys in order, with their slots.
    written: BTreeMap<Vec<u8>, usize>,
}

impl<'a, S: StateRead + ?Sized> Overlay<'a, S> {
    /// Nothing written over `base`.
    pub fn new(base: &'a S) -> Self {
        Overlay::with_room(base, 0)
    }

    /// Nothing written over `base`, with room for `keys` that are touched; more fit.
    pub fn with_room(base: &'a S, keys: usize) -> Self {
        Overlay { base, touched: RefCell::new(Keyed::with_capacity(keys)), written: BTreeMap::new() }
    }

    /// Sets the value at `key`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    /// Removes `key`, present or not.
    pub fn delete(&mut self, key: &[u8]) {
        self.write(key.to_vec(), None);
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let touched = self.touched.get_mut();
        let at = touched.place(&key);
        if touched[at].now.replace(value).is_none() {
            self.written.insert(key, at);
        }
    }

    /// What differs from the base: writes that leave a key as it was are not among them.
    pub fn into_changes(self) -> Changes {
        self.into_differences().into_iter().map(|Difference { key, now, .. }| (key, now)).collect()
    }

    /// [`Overlay::into_changes`] with the values that the base has, in the order of the keys.
    pub fn into_differences(self) -> Vec<Difference> {
        let Overlay { base, touched, written } = self;
        let mut touched = touched.into_inner();
        let differs = |(key, at): (Vec<u8>, usize)| {
            let slot = &mut touched[at];
            let now = slot.now.take().expect("a written key has a value or none");
            let before = slot.before.take().unwrap_or_else(|| base.get(&key));
            (before != now).then_some(Difference { key, before, now })
        };
        written.into_iter().filter_map(differs).collect()
    }
}

impl<S: StateRead + ?Sized> Overlay<'_, S> {
    /// What `read` makes of the value at `key`. It must not use this overlay.
    pub(crate) fn see<T>(&self, key: &[u8], read: impl FnOnce(Option<&Vec<u8>>) -> T) -> T {
        let mut touched = self.touched.borrow_mut();
        let at = touched.place(key);
        let slot = &mut touched[at];
        let value = match &slot.now {
            Some(written) => written,
            None => slot.before.get_or_insert_with(|| self.base.get(key)),
        };
        read(value.as_ref())
    }
}

impl<S: StateRead + ?Sized> StateRead for Overlay<'_, S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.see(key, |value| value.cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        let touched = self.touched.borrow();
        let written = self.written.range::<[u8], _>(bounds(from, to));
        let written = written.map(|(key, at)| (key, touched[*at].now.as_ref().and_then(Option::as_ref)));
        merged_scan(self.base, vec![written], from, to, limit)
    }
}

type Bounds<'a> = (std::ops::Bound<&'a [u8]>, std::ops::Bound<&'a [u8]>);

fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> Bounds<'a> {
    (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to))
}

/// The range `from..to` of `base` under the same range of `layers` (oldest first; a key without a value is deleted), cut at
/// `limit`.
fn merged_scan<'k, S: StateRead + ?Sized>(
    base: &S,
    layers: Vec<impl Iterator<Item = (&'k Vec<u8>, Option<&'k Vec<u8>>)>>,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    if limit == 0 {
        return Vec::new();
    }
    let mut layers: Vec<_> = layers.into_iter().map(Iterator::peekable).collect();
    if layers.iter_mut().all(|layer| layer.peek().is_none()) {
        return base.scan(from, to, limit);
    }
    let mut below = Pages { base, to, next: Some(from.to_vec()), size: limit, page: Vec::new().into_iter().peekable() };
    let mut found = Vec::new();
    while found.len() < limit {
        let written = layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key)).min();
        let stored = below.peek();
        let entry = match (written, stored) {
            (None, None) => break,
            (None, Some(_)) => below.page.next(),
            (Some(key), Some(lower)) if lower < key => below.page.next(),
            (Some(key), stored) => {
                if stored == Some(key) {
                    below.page.next();
                }
                // Each layer steps past the key; the newest one that has it decides.
                let newest = layers.iter_mut().filter_map(|layer| layer.next_if(|(k, _)| *k == key)).last();
                newest.and_then(|(key, value)| Some((key.clone(), value?.clone())))
            }
        };
        found.extend(entry);
    }
    found
}

/// A base's range read page by page: deletions above may hide any number of its entries.
struct Pages<'a, S: StateRead + ?Sized> {
    base: &'a S,
    to: &'a [u8],
    /// Where the next page begins; `None` once the base has no more.
    next: Option<Vec<u8>>,
    size: usize,
    page: Peekable<std::vec::IntoIter<(Vec<u8>, Vec<u8>)>>,
}

impl<S: StateRead + ?Sized> Pages<'_, S> {
    fn peek(&mut self) -> Option<&Vec<u8>> {
        if self.page.peek().is_none()
            && let Some(from) = self.next.take()
        {
            let page = self.base.scan(&from, self.to, self.size);
            if page.len() >= self.size {
                // The first key above the last one seen is that key with a zero byte added.
                self.next = page.last().map(|(key, _)| [key.as_slice(), &[0]].concat());
            }
            // Growing pages keep a long run of deletions from costing a read each.
            self.size = self.size.saturating_mul(2);
            self.page = page.into_iter().peekable();
        }
        self.page.peek().map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Short keys over few letters, so that layers collide and prefixes nest.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..4)
    }

    fn changes(max: usize) -> impl Strategy<Value = Changes> {
        let value = prop::option::of(prop::collection::vec(0..3u8, 0..2));
        prop::collection::btree_map(key(), value, 0..max)
    }

    fn plain_scan(map: &BTreeMap<Vec<u8>, Vec<u8>>, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let inside = |k: &Vec<u8>| k.as_slice() >= from && k.as_slice() < to;
        map.iter().filter(|(k, _)| inside(k)).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn every_view_answers_as_a_plain_map(
            base in changes(30),
            layers in prop::collection::vec(changes(15), 0..4),
            writes in changes(15),
            ranges in prop::collection::vec((key(), key(), 0..12usize), 1..8),
        ) {
            let mut state = MemState::new();
            state.apply(&base);
            let stored = state.clone();
            let mut plain = state.entries.clone();
            for layer in layers.iter().chain([&writes]) {
                for (key, value) in layer {
                    match value {
                        Some(value) => plain.insert(key.clone(), value.clone()),
                        None => plain.remove(key),
                    };
                }
            }
            // the same writes as one more layer, as an overlay over layers, and written to memory
            let layered = Layered::new(&state, layers.iter().chain([&writes]));
            let below = Layered::new(&state, &layers);
            let mut overlay = Overlay::new(&below);
            for (key, value) in &writes {
                match value {
                    Some(value) => overlay.put(key.clone(), value.clone()),
                    None => overlay.delete(key),
                }
            }
            let mut memory = state.clone();
            layers.iter().chain([&writes]).for_each(|layer| memory.apply(layer));
            prop_assert_eq!(&memory.entries, &plain);
            let views: [&dyn StateRead; 3] = [&layered, &overlay, &memory];
            for view in views {
                for (from, to, limit) in &ranges {
                    prop_assert_eq!(view.scan(from, to, *limit), plain_scan(&plain, from, to, *limit));
                    prop_assert_eq!(view.get(from), plain.get(from).cloned());
                }
                prop_assert_eq!(view.scan(&[], &[255; 5], usize::MAX), plain_scan(&plain, &[], &[255; 5], usize::MAX));
            }
            // what an overlay reports is exactly the difference
            let mut before = stored;
            layers.iter().for_each(|layer| before.apply(layer));
            let difference = overlay.into_changes();
            for (key, value) in &difference {
                prop_assert_ne!(&before.get(key), value);
            }
            before.apply(&difference);
            prop_assert_eq!(&before.entries, &plain);
        }
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_empty() {
        let mut state = MemState::new();
        state.apply(&[(vec![1], Some(vec![1]))].into());
        let mut overlay = Overlay::new(&state);
        overlay.put(vec![2], vec![2]);
        for (from, to) in [(vec![3], vec![0]), (vec![1], vec![1])] {
            assert!(state.scan(&from, &to, 9).is_empty());
            assert!(overlay.scan(&from, &to, 9).is_empty());
        }
    }

    #[test]
    fn a_long_run_of_deletions_is_crossed() {
        let mut state = MemState::new();
        state.apply(&(0..1000u16).map(|i| (i.to_be_bytes().to_vec(), Some(vec![0]))).collect());
        let mut overlay = Overlay::new(&state);
        (0..999u16).for_each(|i| overlay.delete(&i.to_be_bytes()));
        assert_eq!(overlay.scan(&[], &[255], 1), [(999u16.to_be_bytes().to_vec(), vec![0])]);
    }
}
