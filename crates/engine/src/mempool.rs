//! Transactions that wait for a block.
//!
//! Invariant: every entry is verified once and fits the caps on count and bytes; order of admission is order of
//! proposal; an entry leaves when a decided block holds its id or when it expires.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use hashbrown::HashMap;

use vostro_types::codec::MAX_TRANSACTION;
use vostro_types::{AccountId, Time, TxId, VerifiedTransaction};

/// Bounds of the mempool.
#[derive(Clone, Copy, Debug)]
pub struct MempoolLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of encoded transactions.
    pub bytes: usize,
    /// Most bytes of one transaction. One that no block can hold would keep all behind it from their turn.
    pub transaction_bytes: usize,
    /// Most transactions of one sender, so that one cannot keep out the others.
    pub per_sender: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        MempoolLimits { transactions: 100_000, bytes: 64 << 20, transaction_bytes: MAX_TRANSACTION, per_sender: 10_000 }
    }
}

/// A transaction that waits.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transaction.
    pub transaction: Arc<VerifiedTransaction>,
    /// Its encoded length.
    pub size: usize,
    /// When it was admitted, or last forwarded to a primary.
    pub since: Time,
    turn: u64,
}

/// Transactions that wait for a block, in order of admission.
#[derive(Debug, Default)]
pub struct Mempool {
    limits: MempoolLimits,
    /// Nothing may depend on the order of this map: it is looked up in only.
    entries: HashMap<TxId, Entry, BuildHasherDefault<DefaultHasher>>,
    order: BTreeMap<u64, TxId>,
    /// Until when each turn's transaction is valid.
    expiry: BTreeSet<(Time, u64)>,
    senders: BTreeMap<AccountId, usize>,
    bytes: usize,
    next_turn: u64,
}

/// Why a transaction was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInserted {
    /// It waits already.
    Known,
    /// It has more bytes than one may have.
    TooLarge {
        /// Its encoded length.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The mempool is at a cap.
    Full,
    /// The sender is at its own cap.
    SenderFull,
}

impl Mempool {
    /// An empty mempool.
    pub fn new(limits: MempoolLimits) -> Self {
        Mempool { limits, ..Mempool::default() }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Encoded bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The transaction with an id.
    pub fn get(&self, id: &TxId) -> Option<&Arc<VerifiedTransaction>> {
        self.entries.get(id).map(|e| &e.transaction)
    }

    /// Since when a transaction waits: its admission, or when it was last forwarded to a primary.
    pub fn waits_since(&self, id: &TxId) -> Option<Time> {
        self.entries.get(id).map(|e| e.since)
    }

    /// Appends a transaction.
    ///
    /// # Errors
    /// [`NotInserted`] says why not; nothing changes then.
    pub fn insert(&mut self, transaction: Arc<VerifiedTransaction>, now: Time) -> Result<(), NotInserted> {
        let id = transaction.id();
        if self.entries.contains_key(&id) {
            return Err(NotInserted::Known);
        }
        let size = transaction.size();
        if size > self.limits.transaction_bytes {
            return Err(NotInserted::TooLarge { bytes: size, limit: self.limits.transaction_bytes });
        }
        if self.entries.len() >= self.limits.transactions || self.bytes + size > self.limits.bytes {
            return Err(NotInserted::Full);
        }
        let waiting = self.senders.entry(transaction.body().sender).or_default();
        if *waiting >= self.limits.per_sender {
            return Err(NotInserted::SenderFull);
        }
        *waiting += 1;
        let turn = self.next_turn;
        self.next_turn += 1;
        self.bytes += size;
        self.order.insert(turn, id);
        self.expiry.insert((transaction.body().valid_until, turn));
        self.entries.insert(id, Entry { transaction, size, since: now, turn });
        Ok(())
    }

    /// Removes a transaction, if it waits.
    pub fn remove(&mut self, id: &TxId) -> Option<Arc<VerifiedTransaction>> {
        let entry = self.entries.remove(id)?;
        self.order.remove(&entry.turn);
        self.expiry.remove(&(entry.transaction.body().valid_until, entry.turn));
        self.bytes -= entry.size;
        let sender = entry.transaction.body().sender;
        if let Some(waiting) = self.senders.get_mut(&sender) {
            *waiting -= 1;
            if *waiting == 0 {
                self.senders.remove(&sender);
            }
        }
        Some(entry.transaction)
    }

    /// Puts another variant of a waiting transaction in its place: the same id, other signatures. Its turn stays. Which
    /// of two is better is the caller's to judge. False if it does not wait or the caps forbid it.
    pub fn replace(&mut self, transaction: Arc<VerifiedTransaction>) -> bool {
        let Some(entry) = self.entries.get_mut(&transaction.id()) else { return false };
        let size = transaction.size();
        if size > self.limits.transaction_bytes || self.bytes - entry.size + size > self.limits.bytes {
            return false;
        }
        self.bytes = self.bytes - entry.size + size;
        entry.size = size;
        entry.transaction = transaction;
        true
    }

    /// Removes what cannot enter a block at `time` or later; returns the ids.
    pub fn expire(&mut self, time: Time) -> Vec<TxId> {
        let expired = self.expiry.iter().take_while(|(valid_until, _)| *valid_until < time);
        let gone: Vec<TxId> = expired.map(|(_, turn)| self.order[turn]).collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }

    /// The waiting transactions in order of admission, up to `count` of them and `bytes` encoded bytes together.
    pub fn select(&self, count: usize, bytes: usize) -> Vec<Arc<VerifiedTransaction>> {
        let mut left = bytes;
        let mut chosen = Vec::new();
        for id in self.order.values().take(count) {
            let entry = &self.entries[id];
            if entry.size > left {
                break;
            }
            left -= entry.size;
            chosen.push(entry.transaction.clone());
        }
        chosen
    }

    /// Transactions admitted or last returned here before `before`, oldest first, up to `bytes` encoded bytes; their
    /// clock starts anew at `now`.
    pub fn stale(&mut self, before: Time, now: Time, bytes: usize) -> Vec<Arc<VerifiedTransaction>> {
        let mut left = bytes;
        let mut found = Vec::new();
        for id in self.order.values() {
            let entry = self.entries.get_mut(id).expect("order and entries hold the same ids");
            if entry.since >= before {
                continue;
            }
            if entry.size > left {
                break;
            }
            left -= entry.size;
            entry.since = now;
            found.push(entry.transaction.clone());
        }
        found
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_types::codec::encode;
    use vostro_types::transaction::{BODY_VERSION, Confirm, OrderKey};
    use vostro_types::{Action, Body, Hash, Label, Payload, SecretKey};

    pub(crate) fn transaction(salt: u64, valid_until: u64) -> Arc<VerifiedTransaction> {
        let order = OrderKey { platform: AccountId([1; 32]), order_id: Label::new("o").unwrap() };
        let body = Body {
            version: BODY_VERSION,
            sender: AccountId([2; 32]),
            valid_until: Time(valid_until),
            salt,
            payload: Payload::One(Action::Confirm(Confirm { order })),
        };
        let chain = Hash([3; 32]);
        Arc::new(body.sign(&chain, &[&SecretKey::from_seed([1; 32])]).verify(&chain).unwrap())
    }

    #[test]
    fn first_come_first_served_within_caps() {
        let mut pool = Mempool::new(MempoolLimits { transactions: 3, per_sender: 3, ..MempoolLimits::default() });
        for salt in [9, 1, 5] {
            pool.insert(transaction(salt, 100), Time(0)).unwrap();
        }
        assert_eq!(pool.insert(transaction(9, 100), Time(0)), Err(NotInserted::Known));
        assert_eq!(pool.insert(transaction(7, 100), Time(0)), Err(NotInserted::Full));
        let salts = |v: Vec<Arc<VerifiedTransaction>>| v.iter().map(|t| t.body().salt).collect::<Vec<_>>();
        assert_eq!(salts(pool.select(10, 1 << 20)), [9, 1, 5]);
        assert_eq!(salts(pool.select(2, 1 << 20)), [9, 1]);
        let one = encode(transaction(9, 100).transaction()).len();
        assert_eq!(salts(pool.select(10, 2 * one + 1)), [9, 1]);
        pool.remove(&transaction(1, 100).id()).unwrap();
        assert_eq!(salts(pool.select(10, 1 << 20)), [9, 5]);
        assert_eq!(pool.bytes(), 2 * one);
    }

    #[test]
    fn what_no_block_can_hold_keeps_nobody_from_its_turn() {
        let small = transaction(1, 100);
        let size = encode(small.transaction()).len();
        let mut pool = Mempool::new(MempoolLimits { transaction_bytes: size, ..MempoolLimits::default() });
        pool.insert(small, Time(0)).unwrap();
        let signed_twice = |salt| {
            let keys = [1, 2].map(|n| SecretKey::from_seed([n; 32]));
            let body = transaction(salt, 100).body().clone();
            let chain = Hash([3; 32]);
            Arc::new(body.sign(&chain, &[&keys[0], &keys[1]]).verify(&chain).unwrap())
        };
        assert!(!pool.replace(signed_twice(1)));
        let refused = pool.insert(signed_twice(2), Time(0));
        assert_eq!(refused, Err(NotInserted::TooLarge { bytes: size + 96, limit: size }));
        assert_eq!(pool.select(10, size).len(), 1);
    }

    #[test]
    fn one_sender_cannot_keep_out_the_others() {
        let mut pool = Mempool::new(MempoolLimits { per_sender: 2, ..MempoolLimits::default() });
        for salt in [1, 2] {
            pool.insert(transaction(salt, 100), Time(0)).unwrap();
        }
        assert_eq!(pool.insert(transaction(3, 100), Time(0)), Err(NotInserted::SenderFull));
        pool.remove(&transaction(1, 100).id()).unwrap();
        pool.insert(transaction(3, 100), Time(0)).unwrap();
        for salt in [2, 3] {
            pool.remove(&transaction(salt, 100).id()).unwrap();
        }
        assert!(pool.senders.is_empty());
    }

    #[test]
    fn expired_leave_and_leave_nothing_behind() {
        let mut pool = Mempool::new(MempoolLimits::default());
        pool.insert(transaction(1, 10), Time(0)).unwrap();
        pool.insert(transaction(2, 20), Time(0)).unwrap();
        assert!(pool.expire(Time(10)).is_empty());
        assert_eq!(pool.expire(Time(11)), [transaction(1, 10).id()]);
        assert_eq!(pool.expire(Time(21)).len(), 1);
        assert!(pool.is_empty() && pool.bytes() == 0 && pool.order.is_empty() && pool.expiry.is_empty());
    }

    #[test]
    fn stale_ones_are_returned_once_a_period() {
        let mut pool = Mempool::new(MempoolLimits::default());
        pool.insert(transaction(1, 1000), Time(0)).unwrap();
        pool.insert(transaction(2, 1000), Time(50)).unwrap();
        assert_eq!(pool.stale(Time(10), Time(60), 1 << 20).len(), 1);
        assert_eq!(pool.stale(Time(10), Time(61), 1 << 20).len(), 0);
        assert_eq!(pool.stale(Time(61), Time(100), 1 << 20).len(), 2);
    }
}
