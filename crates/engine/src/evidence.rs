//! Evidence that waits for a block.
//!
//! Invariant: every piece is verified, is about a height this chain has reached or nearly, and is in no decided block;
//! of each validator at most [`MAX_EACH`] wait, so a liar that produces evidence against itself without end fills its
//! own places only. What waits is not kept over a restart: whoever else heard of it has it still.

use std::collections::BTreeMap;

use vostro_types::evidence::MAX_EVIDENCE;
use vostro_types::{EvidenceKey, Height, Time, ValidatorIndex, ValidatorSet, VerifiedEvidence};

/// Most pieces of evidence against one validator that wait for a block.
pub const MAX_EACH: usize = 4;
/// Most pieces of evidence that wait for a block: the places of every validator of the largest set.
pub const MAX_WAITING: usize = MAX_EACH * ValidatorSet::MAX;
/// Evidence about heights further above the decided one than this is not taken: it could wait for ever.
pub const MAX_AHEAD: u64 = 8;

#[derive(Clone, Debug)]
struct Entry {
    evidence: VerifiedEvidence,
    /// When it was taken in, or last forwarded to a primary.
    since: Time,
    /// Whether a block is made for its sake.
    urgent: bool,
}

/// Evidence that waits for a block.
#[derive(Debug, Default)]
pub struct EvidencePool {
    entries: BTreeMap<EvidenceKey, Entry>,
}

impl EvidencePool {
    /// How many pieces wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes evidence in, unless its fact waits already, the accused has no place left, or its height is too far above
    /// `tip`. Whether it was taken in. `urgent` says that a block is to be made for its sake.
    pub fn insert(&mut self, evidence: VerifiedEvidence, tip: Height, urgent: bool, now: Time) -> bool {
        let key = evidence.key();
        let waiting = self.entries.keys().filter(|k| k.validator == key.validator).count();
        let too_far = key.height.0 > tip.0.saturating_add(MAX_AHEAD);
        if self.entries.contains_key(&key) || waiting >= MAX_EACH || self.entries.len() >= MAX_WAITING || too_far {
            return false;
        }
        self.entries.insert(key, Entry { evidence, since: now, urgent });
        true
    }

    /// A block recorded this fact. What else waits of the same validator and kind is urgent no more.
    pub fn recorded(&mut self, key: &EvidenceKey) {
        self.entries.remove(key);
        for (other, entry) in &mut self.entries {
            if (other.epoch, other.validator, other.kind) == (key.epoch, key.validator, key.kind) {
                entry.urgent = false;
            }
        }
    }

    /// Whether the block of `height` is to be made for the sake of evidence.
    pub fn is_urgent(&self, height: Height) -> bool {
        self.entries.iter().any(|(key, entry)| entry.urgent && key.height <= height)
    }

    /// What the block of `height` may hold, at most [`MAX_EVIDENCE`], ascending. One piece a validator comes before the
    /// second of any, so that no liar keeps out the evidence against another.
    pub fn select(&self, height: Height) -> Vec<VerifiedEvidence> {
        let mut turns: BTreeMap<ValidatorIndex, usize> = BTreeMap::new();
        let mut chosen: Vec<(usize, &EvidenceKey, &Entry)> = Vec::new();
        for (key, entry) in self.entries.iter().filter(|(key, _)| key.height <= height) {
            let turn = turns.entry(key.validator).or_default();
            chosen.push((*turn, key, entry));
            *turn += 1;
        }
        chosen.sort_by_key(|(turn, key, _)| (*turn, **key));
        chosen.truncate(MAX_EVIDENCE);
        chosen.sort_by_key(|(_, key, _)| **key);
        chosen.into_iter().map(|(_, _, entry)| entry.evidence.clone()).collect()
    }

    /// Urgent evidence for the block of `height` that was taken in or last returned here before `before`, at most
    /// [`MAX_EVIDENCE`] pieces; their clock starts anew at `now`.
    pub fn stale(&mut self, height: Height, before: Time, now: Time) -> Vec<VerifiedEvidence> {
        let due =
            |(key, entry): &(&EvidenceKey, &mut Entry)| entry.urgent && entry.since < before && key.height <= height;
        let again = |(_, entry): (&EvidenceKey, &mut Entry)| {
            entry.since = now;
            entry.evidence.clone()
        };
        self.entries.iter_mut().filter(due).take(MAX_EVIDENCE).map(again).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_types::certificate::vote_bytes;
    use vostro_types::{
        AccountId, BlockId, Contradiction, Epoch, Evidence, Hash, Label, SecretKey, Validator, View, VoteKind,
    };

    const CHAIN: Hash = Hash([7; 32]);

    fn key(i: u8) -> SecretKey {
        SecretKey::from_seed([i + 1; 32])
    }

    fn set() -> ValidatorSet {
        let member = |i: u8| Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i; 32]),
            key: key(i).public(),
            network_key: key(100 + i).public(),
        };
        ValidatorSet::new(Epoch(0), (0..7).map(member).collect()).unwrap()
    }

    /// E1 of a validator at a height, in a view.
    fn votes(validator: u8, height: u64, view: u64) -> VerifiedEvidence {
        let set = set();
        let said = |n: u8| {
            let block = BlockId(Hash([n; 32]));
            let bytes = vote_bytes(&CHAIN, &set, VoteKind::Commit, Height(height), View(view), block);
            (block, key(validator).sign(&bytes))
        };
        let contradiction = Contradiction::votes(VoteKind::Commit, View(view), said(1), said(2));
        let validator = ValidatorIndex(u16::from(validator));
        Evidence { epoch: Epoch(0), validator, height: Height(height), contradiction }.verify(&CHAIN, &set).unwrap()
    }

    fn keys(evidence: &[VerifiedEvidence]) -> Vec<(u16, u64)> {
        evidence.iter().map(|e| (e.key().validator.0, e.key().height.0)).collect()
    }

    #[test]
    fn a_fact_waits_once_and_leaves_when_it_is_recorded() {
        let mut pool = EvidencePool::default();
        assert!(pool.insert(votes(1, 5, 0), Height(5), true, Time(0)));
        assert!(!pool.insert(votes(1, 5, 0), Height(5), true, Time(0)));
        assert!(!pool.insert(votes(1, 5, 3), Height(5), true, Time(0)), "another view, the same fact");
        assert!(pool.insert(votes(1, 4, 0), Height(5), true, Time(0)));
        pool.recorded(&votes(1, 5, 9).key());
        assert_eq!(keys(&pool.select(Height(6))), [(1, 4)]);
        assert!(!pool.is_urgent(Height(6)), "the validator is on record for that");
    }

    #[test]
    fn a_liar_fills_its_own_places_only() {
        let mut pool = EvidencePool::default();
        let taken = (1..200).filter(|h| pool.insert(votes(1, *h, 0), Height(200), true, Time(0))).count();
        assert_eq!((taken, pool.len()), (MAX_EACH, MAX_EACH));
        assert!(pool.insert(votes(2, 7, 0), Height(200), true, Time(0)));
        let far = votes(3, 201 + MAX_AHEAD, 0);
        assert!(!pool.insert(far.clone(), Height(200), true, Time(0)), "its height may never come");
        assert!(pool.insert(far, Height(201), true, Time(0)));
    }

    #[test]
    fn what_is_ahead_of_the_chain_waits_for_its_height() {
        let mut pool = EvidencePool::default();
        assert!(pool.insert(votes(1, 9, 0), Height(7), true, Time(0)));
        assert!(pool.select(Height(8)).is_empty() && !pool.is_urgent(Height(8)));
        assert!(pool.stale(Height(8), Time(50), Time(50)).is_empty());
        assert_eq!(keys(&pool.select(Height(9))), [(1, 9)]);
        assert!(pool.is_urgent(Height(9)));
    }

    #[test]
    fn every_accused_has_a_turn_before_anyone_has_two() {
        let mut pool = EvidencePool::default();
        for validator in 0..6 {
            for height in 1..=MAX_EACH as u64 {
                assert!(pool.insert(votes(validator, height, 0), Height(9), true, Time(0)));
            }
        }
        assert!(pool.insert(votes(6, 8, 0), Height(9), true, Time(0)));
        let chosen = pool.select(Height(10));
        assert_eq!(chosen.len(), MAX_EVIDENCE);
        assert!(chosen.is_sorted_by(|a, b| a.key() < b.key()));
        assert!(keys(&chosen).contains(&(6, 8)));
    }

    #[test]
    fn only_urgent_evidence_is_forwarded_once_a_period() {
        let mut pool = EvidencePool::default();
        pool.insert(votes(1, 1, 0), Height(9), true, Time(0));
        pool.insert(votes(2, 1, 0), Height(9), false, Time(0));
        assert!(pool.stale(Height(10), Time(0), Time(1)).is_empty());
        assert_eq!(keys(&pool.stale(Height(10), Time(5), Time(10))), [(1, 1)]);
        assert!(pool.stale(Height(10), Time(10), Time(11)).is_empty());
        assert_eq!(pool.stale(Height(10), Time(11), Time(12)).len(), 1);
    }
}
