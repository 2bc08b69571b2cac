//! The ledger the contract works on: an ordered map of bytes.
//!
//! Invariant: the contract reads and writes state through these traits alone, so whoever implements them (an overlay
//! over the state tree, a map in a test) decides what a block sees and when it becomes durable.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Key and value as the ledger holds them.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The read half of a ledger.
pub trait Reader {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Shows the value at `key`, if there is one, where it stands: what [`Reader::get`] returns, without a copy. `look` does
    /// not read the ledger.
    fn see(&self, key: &[u8], look: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.get(key) {
            look(&value);
        }
    }

    /// What `make` makes of the value at `key`, if there is one. A ledger may keep it for as long as the value stands, so of a
    /// key the same is always made. `make` does not read the ledger.
    fn made(&self, key: &[u8], make: &dyn Fn(&[u8]) -> Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        let mut made = None;
        self.see(key, &mut |value| made = Some(make(value)));
        made
    }

    /// Up to `limit` entries with `from <= key < to`, in the order of their keys.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry>;
}

/// A ledger that can be written.
pub trait Ledger: Reader {
    /// Sets the value at `key`.
    fn put(&mut self, key: &[u8], value: &[u8]);

    /// Removes `key`; nothing happens if it is absent.
    fn delete(&mut self, key: &[u8]);
}

/// Writes kept apart from the ledger below until all of a batch has succeeded.
pub(crate) struct Draft<'a> {
    below: &'a dyn Reader,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(below: &'a dyn Reader) -> Self {
        Draft { below, writes: BTreeMap::new() }
    }

    /// What was written, `None` for a removed key.
    pub(crate) fn into_writes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.writes
    }
}

impl Reader for Draft<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(written) => written.clone(),
            None => self.below.get(key),
        }
    }

    fn see(&self, key: &[u8], look: &mut dyn FnMut(&[u8])) {
        match self.writes.get(key) {
            Some(Some(written)) => look(written),
            Some(None) => {}
            None => self.below.see(key, look),
        }
    }

    fn made(&self, key: &[u8], make: &dyn Fn(&[u8]) -> Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        match self.writes.get(key) {
            Some(written) => written.as_deref().map(make),
            None => self.below.made(key, make),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry> {
        if from >= to {
            return Vec::new();
        }
        let written = || self.writes.range(from.to_vec()..to.to_vec());
        // Every written key can hide one entry below, so this many suffice.
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> =
            self.below.scan(from, to, limit.saturating_add(written().count())).into_iter().collect();
        for (key, value) in written() {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        merged.into_iter().take(limit).collect()
    }
}

impl Ledger for Draft<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.writes.insert(key.to_vec(), Some(value.to_vec()));
    }

    fn delete(&mut self, key: &[u8]) {
        self.writes.insert(key.to_vec(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemLedger;

    #[test]
    fn a_draft_hides_and_shows_what_it_wrote() {
        let mut below = MemLedger::default();
        for k in 0..6u8 {
            below.put(&[k], &[k]);
        }
        let mut draft = Draft::new(&below);
        draft.delete(&[1]);
        draft.delete(&[2]);
        draft.put(&[3], &[33]);
        draft.put(&[1, 5], &[15]);
        let keys: Vec<_> = draft.scan(&[0], &[5], 3).into_iter().map(|(k, _)| k).collect();
        assert_eq!(keys, [vec![0], vec![1, 5], vec![3]]);
        assert_eq!(draft.get(&[2]), None);
        assert_eq!(draft.get(&[3]), Some(vec![33]));
        assert_eq!(draft.get(&[4]), Some(vec![4]));
        for key in 0..7u8 {
            let mut seen = None;
            draft.see(&[key], &mut |value| seen = Some(value.to_vec()));
            assert_eq!(seen, draft.get(&[key]), "{key}");
        }
        assert!(draft.scan(&[5], &[5], 9).is_empty() && draft.scan(&[5], &[1], 9).is_empty());
        assert_eq!(draft.into_writes().len(), 4);
        assert_eq!(below.get(&[1]), Some(vec![1]));
    }
}
