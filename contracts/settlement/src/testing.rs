//! A ledger in memory, for tests and benchmarks of whoever runs the contract.

use std::collections::BTreeMap;

use crate::ledger::{Entry, Ledger, Reader};

/// An ordered map as a ledger. Two are equal if they hold the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemLedger {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemLedger {
    /// Everything it holds, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Reader for MemLedger {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(key).cloned()
    }

    fn see(&self, key: &[u8], look: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.entries.get(key) {
            look(value);
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry> {
        if from >= to {
            return Vec::new();
        }
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
        self.entries.range::<[u8], _>(bounds).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

impl Ledger for MemLedger {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.entries.insert(key.to_vec(), value.to_vec());
    }

    fn delete(&mut self, key: &[u8]) {
        self.entries.remove(key);
    }
}
