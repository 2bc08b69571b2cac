//! The state as ordered keys and values, and views that lay unwritten changes over it.
//!
//! Invariant: every view answers as a plain map would in which the changes had been written, oldest layer first.
//!
//! ```text
//! Overlay    what the block being executed has written so far
//! Layered    decided blocks not yet written, newest above
//! base       what is stored (or MemState)
//! ```

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::rc::Rc;

use crate::keyed::Keyed;

/// Keys and their new values; `None` deletes.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// State that can be read. Whoever stores state implements it.
pub trait StateRead {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// The value at `key`, whose hash by this crate's tables is `hash`: who looks in one need not compute it again.
    fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<Vec<u8>> {
        let _ = hash;
        self.get(key)
    }

    /// Keys and values with `from ≤ key < to` in ascending order of keys, the first `limit` of them. A range that ends
    /// before it begins is empty.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

impl<S: StateRead + ?Sized> StateRead for &S {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }

    fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get_hashed(hash, key)
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
            range.map(|(key, value)| (key.as_slice(), value.as_ref()))
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
    /// What a reader made of the value as it is now.
    made: Option<Rc<dyn Any>>,
}

/// The value as it is now at a place among those that were touched.
fn value<'t, S: StateRead + ?Sized>(touched: &'t mut Keyed<Slot>, at: usize, base: &S) -> Option<&'t Vec<u8>> {
    if touched[at].now.is_none() && touched[at].before.is_none() {
        let (hash, key) = touched.key(at);
        let before = base.get_hashed(hash, key);
        touched[at].before = Some(before);
    }
    let slot = &touched[at];
    slot.now.as_ref().or(slot.before.as_ref())?.as_ref()
}

/// What a key begins with, zeros behind its end, as a number: keys are in the order of their heads, and keys of one head in
/// the order of their bytes.
pub fn head(key: &[u8]) -> u128 {
    let mut head = [0; 16];
    let length = key.len().min(head.len());
    head[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(head)
}

/// So many times somebody who needs an order may look through all keys that were written since the last ordering.
const MAX_PASSES: usize = 4;

/// Written keys: those that were put in order, and those that came since.
#[derive(Debug, Default)]
struct Written {
    ordered: BTreeMap<Vec<u8>, usize>,
    since: Vec<usize>,
    /// How often the latter were looked through.
    passes: usize,
}

impl Written {
    fn put_in_order(&mut self, touched: &Keyed<Slot>) {
        self.ordered.extend(self.since.drain(..).map(|at| (touched.key(at).1.to_vec(), at)));
        self.passes = 0;
    }

    /// Places of those with `from ≤ key < to`, each list in the order of its keys: those in order, which are not looked at before they
    /// are asked for, and those that came since. A block's end asks for some short ranges, and looking through all keys then costs
    /// a fraction of an order; whoever asks all the time gets one.
    fn within<'w>(
        &'w mut self,
        touched: &Keyed<Slot>,
        from: &[u8],
        to: &[u8],
    ) -> [Box<dyn Iterator<Item = usize> + 'w>; 2] {
        if self.passes == MAX_PASSES {
            self.put_in_order(touched);
        }
        self.passes += 1;
        let is_within = |at: &usize| (from..to).contains(&touched.key(*at).1);
        let mut since: Vec<usize> = self.since.iter().copied().filter(is_within).collect();
        since.sort_unstable_by_key(|at| touched.key(*at).1);
        let ordered = self.ordered.range::<[u8], _>(bounds(from, to)).map(|(_, at)| *at);
        [Box::new(ordered), Box::new(since.into_iter())]
    }

    /// All of them in the order of their keys, with their places.
    fn into_order(mut self, touched: &Keyed<Slot>) -> Vec<(Vec<u8>, usize)> {
        if !self.ordered.is_empty() {
            self.put_in_order(touched);
            return self.ordered.into_iter().collect();
        }
        // Nobody needed the order before: sorting once costs less, by the beginnings of keys as far as they tell.
        let key = |at: usize| touched.key(at).1;
        let mut headed: Vec<_> = self.since.into_iter().map(|at| (head(key(at)), at)).collect();
        headed.sort_unstable_by(|(a, at), (b, other)| a.cmp(b).then_with(|| key(*at).cmp(key(*other))));
        headed.into_iter().map(|(_, at)| (key(at).to_vec(), at)).collect()
    }
}

/// A table with room for more keys is not kept for the next overlay: this many take about 10 MiB.
const MAX_KEPT_KEYS: usize = 1 << 16;

/// From so many keys on an overlay uses the table of the one before.
const MANY: usize = 256;

thread_local! {
    /// The table of this thread's last overlay, empty: what a block needs, the next one needs again, and memory that the
    /// system gives anew costs more than what is put there.
    static KEPT: Cell<Option<Keyed<Slot>>> = const { Cell::new(None) };
}

/// Keeps a table's memory for the next overlay of this thread, if it is worth it.
fn keep(mut touched: Keyed<Slot>) {
    touched.clear();
    let kept = KEPT.take().filter(|kept| kept.room() >= touched.room());
    let fits = (MANY..=MAX_KEPT_KEYS).contains(&touched.room());
    KEPT.set(kept.or_else(|| fits.then_some(touched)));
}

/// A key whose value an overlay changes; without a value it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: Vec<u8>,
    /// What the base has; also absent if nobody asked for it.
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
    written: RefCell<Written>,
}

impl<'a, S: StateRead + ?Sized> Overlay<'a, S> {
    /// Nothing written over `base`.
    pub fn new(base: &'a S) -> Self {
        Overlay::of_many(base, 0)
    }

    /// Nothing written over `base`, with room for `keys` that are touched; more fit. Many use the memory that the last overlay of
    /// this thread gave back at its end. A few are better off with their own: giving a large table back costs more.
    pub fn of_many(base: &'a S, keys: usize) -> Self {
        let kept = if keys < MANY { None } else { KEPT.take() };
        let mut touched = kept.unwrap_or_else(|| Keyed::with_capacity(0));
        touched.reserve(keys);
        Overlay { base, touched: RefCell::new(touched), written: RefCell::default() }
    }

    /// Forgets all, and gives the memory back.
    pub fn end(self) {
        keep(self.touched.into_inner());
    }

    /// Sets the value at `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.write(key, |now| match now {
            Some(before) => {
                before.clear();
                before.extend_from_slice(value);
            }
            None => *now = Some(value.to_vec()),
        });
    }

    /// Removes `key`, present or not.
    pub fn delete(&mut self, key: &[u8]) {
        self.write(key, |now| *now = None);
    }

    /// Writes a key; `change` sees what was written there before, and leaves what is there now.
    fn write(&mut self, key: &[u8], change: impl FnOnce(&mut Option<Vec<u8>>)) {
        let touched = self.touched.get_mut();
        let at = touched.place(key);
        let slot = &mut touched[at];
        slot.made = None;
        if slot.now.is_none() {
            self.written.get_mut().since.push(at);
        }
        change(slot.now.get_or_insert_default());
    }

    /// What differs from the base: writes that leave a key as it was are not among them.
    pub fn into_changes(self) -> Changes {
        self.into_differences(|_| true).into_iter().map(|Difference { key, now, .. }| (key, now)).collect()
    }

    /// What differs from the base, with the values that the base has, in the order of the keys. Of a key that was written and
    /// never read the base is asked if `compared` says so; else it counts as absent there.
    pub fn into_differences(self, compared: impl Fn(&[u8]) -> bool) -> Vec<Difference> {
        let Overlay { base, touched, written } = self;
        let mut touched = touched.into_inner();
        let written = written.into_inner().into_order(&touched);
        let mut differences = Vec::with_capacity(written.len());
        for (key, at) in written {
            let now = touched[at].now.take().expect("a written key has a value or none");
            let asked = touched[at].before.take();
            let before = match asked {
                None if !compared(&key) => None,
                asked => {
                    let before = asked.unwrap_or_else(|| base.get_hashed(touched.key(at).0, &key));
                    if before == now {
                        continue;
                    }
                    before
                }
            };
            differences.push(Difference { key, before, now });
        }
        keep(touched);
        differences
    }
}

impl<S: StateRead + ?Sized> Overlay<'_, S> {
    /// What `read` makes of the value at `key`. It must not use this overlay.
    pub(crate) fn see<T>(&self, key: &[u8], read: impl FnOnce(Option<&Vec<u8>>) -> T) -> T {
        let mut touched = self.touched.borrow_mut();
        let at = touched.place(key);
        read(value(&mut touched, at, self.base))
    }

    /// What `make` makes of the value at `key`, made once for each value. It must not use this overlay, and be the same for
    /// a key always.
    pub(crate) fn made(&self, key: &[u8], make: &dyn Fn(&[u8]) -> Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        let mut touched = self.touched.borrow_mut();
        let at = touched.place(key);
        if touched[at].made.is_none() {
            let made = value(&mut touched, at, self.base).map(|value| make(value));
            touched[at].made = made;
        }
        touched[at].made.clone()
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
        let entry = |at: usize| (touched.key(at).1, touched[at].now.as_ref().and_then(Option::as_ref));
        let mut written = self.written.borrow_mut();
        let written = written.within(&touched, from, to).map(|places| places.map(entry));
        merged_scan(self.base, written.into(), from, to, limit)
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
    layers: Vec<impl Iterator<Item = (&'k [u8], Option<&'k Vec<u8>>)>>,
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
            (Some(key), Some(lower)) if lower.as_slice() < key => below.page.next(),
            (Some(key), stored) => {
                if stored.is_some_and(|stored| stored == key) {
                    below.page.next();
                }
                // Each layer steps past the key; the newest one that has it decides.
                let newest = layers.iter_mut().filter_map(|layer| layer.next_if(|(k, _)| *k == key)).last();
                newest.and_then(|(key, value)| Some((key.to_vec(), value?.clone())))
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
                    Some(value) => overlay.put(key, value),
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

    proptest! {
        /// Whenever somebody asks for a range, and whatever is written afterwards.
        #[test]
        fn an_overlay_is_in_order_at_every_moment(
            base in changes(10),
            steps in prop::collection::vec((key(), prop::option::of(Just(vec![7])), any::<bool>()), 0..40),
        ) {
            let mut state = MemState::new();
            state.apply(&base);
            let mut plain = state.entries.clone();
            let mut overlay = Overlay::new(&state);
            for (key, value, asked) in steps {
                match value {
                    Some(value) => {
                        overlay.put(&key, &value);
                        plain.insert(key, value);
                    }
                    None => {
                        overlay.delete(&key);
                        plain.remove(&key);
                    }
                }
                if asked {
                    let all = overlay.scan(&[], &[255; 5], usize::MAX);
                    prop_assert_eq!(all, plain_scan(&plain, &[], &[255; 5], usize::MAX));
                }
            }
            let differences = overlay.into_differences(|_| true);
            prop_assert!(differences.is_sorted_by(|a, b| a.key < b.key));
            let mut after = state.clone();
            after.apply(&differences.into_iter().map(|d| (d.key, d.now)).collect());
            prop_assert_eq!(after.entries, plain);
        }
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_empty() {
        let mut state = MemState::new();
        state.apply(&[(vec![1], Some(vec![1]))].into());
        let mut overlay = Overlay::new(&state);
        overlay.put(&[2], &[2]);
        for (from, to) in [(vec![3], vec![0]), (vec![1], vec![1])] {
            assert!(state.scan(&from, &to, 9).is_empty());
            assert!(overlay.scan(&from, &to, 9).is_empty());
        }
    }

    #[test]
    fn what_is_made_of_a_value_stands_until_the_key_is_written() {
        let mut state = MemState::new();
        state.apply(&[(vec![1], Some(vec![10]))].into());
        let mut overlay = Overlay::new(&state);
        let times = Cell::new(0);
        let made = |overlay: &Overlay<'_, MemState>, key: u8| {
            let make = |value: &[u8]| {
                times.set(times.get() + 1);
                Rc::new(value[0]) as Rc<dyn Any>
            };
            overlay.made(&[key], &make).map(|made| *made.downcast::<u8>().unwrap())
        };
        assert_eq!([made(&overlay, 1), made(&overlay, 1), made(&overlay, 2)], [Some(10), Some(10), None]);
        assert_eq!(times.get(), 1);
        overlay.put(&[1], &[11]);
        overlay.put(&[2], &[20]);
        assert_eq!([made(&overlay, 1), made(&overlay, 1), made(&overlay, 2)], [Some(11), Some(11), Some(20)]);
        assert_eq!(times.get(), 3);
        overlay.delete(&[1]);
        assert_eq!([made(&overlay, 1), made(&overlay, 2)], [None, Some(20)]);
        assert_eq!(times.get(), 3);
    }

    /// A state that holds 7 at every key and counts who asks.
    struct Sevens(Cell<u32>);

    impl StateRead for Sevens {
        fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
            self.0.set(self.0.get() + 1);
            Some(vec![7])
        }

        fn scan(&self, _: &[u8], _: &[u8], _: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
            Vec::new()
        }
    }

    #[test]
    fn the_base_is_asked_of_a_key_that_was_only_written_if_that_counts() {
        let base = Sevens(Cell::new(0));
        let mut overlay = Overlay::new(&base);
        assert_eq!(overlay.get(&[1]), Some(vec![7]));
        for key in [1, 2, 3] {
            overlay.put(&[key], &[7]);
        }
        overlay.put(&[4], &[8]);
        let differences = overlay.into_differences(|key| key[0] % 2 == 0);
        let difference = |key, before: Option<u8>, now| Difference {
            key: vec![key],
            before: before.map(|value| vec![value]),
            now: Some(vec![now]),
        };
        assert_eq!(differences, [difference(3, None, 7), difference(4, Some(7), 8)]);
        assert_eq!(base.0.get(), 3, "of 1, 2 and 4");
    }

    #[test]
    fn a_block_finds_the_memory_of_the_last_one_and_nothing_in_it() {
        let state = MemState::new();
        let mut overlay = Overlay::of_many(&state, 3 * MANY);
        overlay.put(&[1], &[10]);
        assert_eq!(overlay.into_differences(|_| true).len(), 1);
        let overlay = Overlay::of_many(&state, MANY);
        assert!(overlay.touched.borrow().room() >= 3 * MANY);
        assert_eq!(overlay.get(&[1]), None);
        overlay.end();
        for keys in [MANY - 1, MAX_KEPT_KEYS + 1] {
            KEPT.set(None);
            Overlay::of_many(&state, keys).end();
            assert!(KEPT.take().is_none(), "what is small or too large is not kept");
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
