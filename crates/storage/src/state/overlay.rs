//! Changes applied but not yet in the store, in two halves: one grows, the other is being written.
//!
//! Invariant: front, then flushing, then store gives every key its value at the height of the last `insert`. The
//! flushing half is removed only after the store holds it.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use super::store::{Changes, Entry, Key, StateStore};
use crate::error::StorageError;

/// Bytes a key costs in a map beside its own and its value's.
const ENTRY_OVERHEAD: usize = 112;

/// Entries that are read from the store at the least when those before did not suffice.
const LEAST_NEXT_PAGE: usize = 64;

#[derive(Default)]
pub(super) struct Overlay {
    height: Option<u64>,
    front: Changes,
    front_bytes: usize,
    flushing: Arc<Changes>,
    flushing_bytes: usize,
}

fn value_bytes(value: Option<&Vec<u8>>) -> usize {
    value.map_or(0, Vec::len)
}

impl Overlay {
    pub(super) fn at(height: Option<u64>) -> Self {
        Self { height, ..Self::default() }
    }

    pub(super) fn height(&self) -> Option<u64> {
        self.height
    }

    pub(super) fn front_bytes(&self) -> usize {
        self.front_bytes
    }

    pub(super) fn bytes(&self) -> usize {
        self.front_bytes.saturating_add(self.flushing_bytes)
    }

    /// Lays the changes of a height over those before; of two to one key the later counts.
    pub(super) fn insert(&mut self, height: u64, changes: Vec<(Key, Option<Vec<u8>>)>) {
        self.height = Some(height);
        for (key, value) in changes {
            let size = value_bytes(value.as_ref());
            let entry = ENTRY_OVERHEAD + key.len();
            match self.front.insert(key, value) {
                Some(old) => {
                    self.front_bytes = self.front_bytes.saturating_sub(value_bytes(old.as_ref()));
                }
                None => self.front_bytes = self.front_bytes.saturating_add(entry),
            }
            self.front_bytes = self.front_bytes.saturating_add(size);
        }
    }

    /// Turns the front into the flushing half and returns it. The half before it must be in the store.
    pub(super) fn begin_flush(&mut self) -> Arc<Changes> {
        debug_assert!(self.flushing.is_empty());
        self.flushing = Arc::new(std::mem::take(&mut self.front));
        self.flushing_bytes = std::mem::take(&mut self.front_bytes);
        Arc::clone(&self.flushing)
    }

    /// The store holds the flushing half now.
    pub(super) fn end_flush(&mut self) {
        self.flushing = Arc::default();
        self.flushing_bytes = 0;
    }

    /// What the overlay says about a key: nothing, deleted, or a value.
    pub(super) fn get(&self, key: &Key) -> Option<Option<&Vec<u8>>> {
        self.front.get(key).or_else(|| self.flushing.get(key)).map(Option::as_ref)
    }

    /// Entries of `from..to` as the overlay over `store`, at most `limit`.
    pub(super) fn scan(
        &self,
        store: &dyn StateStore,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let mut out = Vec::new();
        let mut cursor = from.to_vec();
        let mut wanted = limit;
        while out.len() < limit && cursor.as_slice() < to {
            let page = store.scan(&cursor, to, wanted)?;
            // The page says everything about the store up to its end: the end of the range, if it came back short.
            let page_end = match page.last() {
                Some((last, _)) if page.len() >= wanted => {
                    let mut after = last.clone();
                    after.push(0);
                    after
                }
                _ => to.to_vec(),
            };
            self.merge(page, &cursor, &page_end, limit, &mut out);
            cursor = page_end;
            // What is deleted above may be all of a long range, as at the beginning of a queue: each look at the store costs more than
            // many an entry.
            wanted = wanted.saturating_mul(2).max(LEAST_NEXT_PAGE);
        }
        Ok(out)
    }

    fn merge(&self, page: Vec<Entry>, from: &[u8], to: &[u8], limit: usize, out: &mut Vec<Entry>) {
        let (from, to) = (Key::from(from), Key::from(to));
        let bounds = (Bound::Included(&from), Bound::Excluded(&to));
        let mut front = self.front.range::<Key, _>(bounds).peekable();
        let mut flushing = self.flushing.range::<Key, _>(bounds).peekable();
        let mut page = page.into_iter().peekable();
        while out.len() < limit {
            // The newer half wins where both name a key.
            let change = match (front.peek(), flushing.peek()) {
                (None, None) => None,
                (Some(_), None) => front.next(),
                (None, Some(_)) => flushing.next(),
                (Some((a, _)), Some((b, _))) => match a.cmp(b) {
                    Ordering::Less => front.next(),
                    Ordering::Greater => flushing.next(),
                    Ordering::Equal => {
                        flushing.next();
                        front.next()
                    }
                },
            };
            let Some((key, value)) = change else {
                out.extend(page.by_ref().take(limit - out.len()));
                return;
            };
            while out.len() < limit
                && let Some(entry) = page.next_if(|(stored, _)| **stored < **key)
            {
                out.push(entry);
            }
            if out.len() >= limit {
                return;
            }
            page.next_if(|(stored, _)| **stored == **key);
            if let Some(value) = value {
                out.push((key.to_vec(), value.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::store::MemStore;
    use super::*;

    /// A store that counts how often it is looked at.
    struct Counted(MemStore, AtomicUsize);

    impl StateStore for Counted {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.0.get(key)
        }

        fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.scan(from, to, limit)
        }

        fn apply(&self, height: u64, changes: &Changes) -> Result<(), StorageError> {
            self.0.apply(height, changes)
        }

        fn height(&self) -> Option<u64> {
            self.0.height()
        }

        fn checkpoint(&self) -> Result<(), StorageError> {
            self.0.checkpoint()
        }
    }

    #[test]
    fn the_first_of_a_queue_is_found_behind_all_that_left_it() {
        let key = |number: u32| Key::from([&[1][..], &number.to_be_bytes()].concat());
        let store = Counted(MemStore::default(), AtomicUsize::new(0));
        store.apply(1, &(0..20_000).map(|number| (key(number), Some(vec![7]))).collect()).unwrap();
        let mut overlay = Overlay::at(Some(1));
        overlay.insert(2, (0..19_990).map(|number| (key(number), None)).collect());
        for limit in [1, 3] {
            let found = overlay.scan(&store, &[1], &[2], limit).unwrap();
            let expected: Vec<Entry> = (19_990..).take(limit).map(|number| (key(number).to_vec(), vec![7])).collect();
            assert_eq!(found, expected);
            assert!(store.1.swap(0, Ordering::Relaxed) < 12);
        }
    }
}
