//! View-changes heard at one height, and what follows from them.
//!
//! Invariant: of each validator only the latest request is kept. That loses nothing: a validator that asked for a later
//! view has promised (R3) to vote in no earlier one, so no earlier view can still need its request.

use std::collections::BTreeMap;
use std::sync::Arc;

use vostro_types::{Block, BlockId, Certificate, PreparedAt, Signature, ValidatorIndex, View};

use crate::message::{Claim, Justification, ViewChange};

#[derive(Clone, Debug)]
struct Request {
    view: View,
    prepared: Option<Certificate>,
    block: Option<Arc<Block>>,
    signature: Signature,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ViewChanges {
    /// The highest view each validator signed a view-change for, by its own message or by a claim in a justification.
    highest: BTreeMap<ValidatorIndex, View>,
    latest: BTreeMap<ValidatorIndex, Request>,
}

impl ViewChanges {
    /// Notes that a validator signed a view-change for `view`.
    pub(crate) fn hear(&mut self, from: ValidatorIndex, view: View) {
        let highest = self.highest.entry(from).or_insert(view);
        *highest = view.max(*highest);
    }

    /// Whether this validator is known to have signed a view-change for `view` or a later one.
    pub(crate) fn has_heard(&self, from: ValidatorIndex, view: View) -> bool {
        self.highest.get(&from).is_some_and(|highest| *highest >= view)
    }

    /// Whether a request says more than the latest of its sender, or brings the block that one lacks.
    pub(crate) fn is_newer(&self, from: ValidatorIndex, change: &ViewChange, keep_block: bool) -> bool {
        let brings_block = keep_block && change.block.is_some();
        self.latest.get(&from).is_none_or(|known| {
            change.view > known.view || (change.view == known.view && brings_block && known.block.is_none())
        })
    }

    /// Adds a request. The attached block is kept only if `keep_block`: it serves the primary of that view alone.
    pub(crate) fn add(&mut self, from: ValidatorIndex, change: &ViewChange, signature: Signature, keep_block: bool) {
        self.hear(from, change.view);
        if self.is_newer(from, change, keep_block) {
            let prepared = change.prepared.clone();
            // Many may bring the same block, and it is large: it is kept once.
            let known = prepared.as_ref().and_then(|p| self.block(p.block));
            let block = change.block.clone().filter(|_| keep_block).map(|brought| known.unwrap_or(brought));
            self.latest.insert(from, Request { view: change.view, prepared, block, signature });
        }
    }

    /// How many validators asked for `view` or a later one.
    pub(crate) fn supporters(&self, view: View) -> usize {
        self.highest.values().filter(|highest| **highest >= view).count()
    }

    /// Everyone who asked for any view.
    pub(crate) fn voters(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.highest.keys().copied()
    }

    /// The view to join: Castro & Liskov 1999 §4.5.2 join the smallest view above `mine` among f + 1 requests, again
    /// and again; this is where that ends, the highest view above `mine` that `needed` validators have signed for or
    /// passed. With `needed` = f + 1 an honest one is among them.
    pub(crate) fn join_target(&self, mine: View, needed: usize) -> Option<View> {
        let mut above: Vec<View> = self.highest.values().copied().filter(|highest| *highest > mine).collect();
        above.sort_unstable_by(|a, b| b.cmp(a));
        above.get(needed.checked_sub(1)?).copied()
    }

    /// A block that came attached to a request.
    pub(crate) fn block(&self, id: BlockId) -> Option<Arc<Block>> {
        let attached = |r: &Request| r.prepared.as_ref().is_some_and(|p| p.block == id);
        self.latest.values().filter(|r| attached(r)).find_map(|r| r.block.clone())
    }

    /// What the latest request of a validator said: view, report and signature.
    pub(crate) fn request_of(&self, from: ValidatorIndex) -> Option<(View, Option<PreparedAt>, Signature)> {
        self.latest.get(&from).map(|r| (r.view, reported(&r.prepared), r.signature))
    }

    /// The justification of a proposal in `view`, if a quorum asked for exactly that view. A request that reports a
    /// prepared certificate counts only if its block is at hand, so that the block can be proposed again.
    pub(crate) fn justification(
        &self,
        view: View,
        quorum: usize,
        has_block: impl Fn(BlockId) -> bool,
    ) -> Option<Justification> {
        let countable =
            |r: &Request| r.view == view && r.prepared.as_ref().is_none_or(|p| r.block.is_some() || has_block(p.block));
        let counted: Vec<_> = self.latest.iter().filter(|(_, r)| countable(r)).collect();
        if counted.len() < quorum {
            return None;
        }
        let prepared = counted.iter().filter_map(|(_, r)| r.prepared.as_ref()).max_by_key(|p| p.view).cloned();
        let claim = |(from, r): (&ValidatorIndex, &Request)| Claim {
            validator: *from,
            prepared: reported(&r.prepared),
            signature: r.signature,
        };
        Some(Justification { claims: counted.into_iter().map(claim).collect(), prepared })
    }
}

fn reported(prepared: &Option<Certificate>) -> Option<PreparedAt> {
    prepared.as_ref().map(|p| PreparedAt { view: p.view, block: p.block })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(views: &[u64]) -> ViewChanges {
        let mut changes = ViewChanges::default();
        for (i, view) in views.iter().enumerate() {
            changes.hear(ValidatorIndex(i as u16), View(*view));
        }
        changes
    }

    /// Many validators bring the block of one certificate, each in a message of its own.
    #[test]
    fn a_block_that_many_bring_is_kept_once() {
        use vostro_types::block::HEADER_VERSION;
        use vostro_types::{Epoch, Hash, Header, Height, Time, VoteKind};
        let zero = Hash::ZERO;
        let header = Header {
            version: HEADER_VERSION,
            epoch: Epoch(0),
            height: Height(1),
            parent: BlockId(zero),
            time: Time(1),
            validators: zero,
            next_validators: zero,
            transactions_root: zero,
            evidence_root: zero,
            receipts_root: zero,
            state_root: zero,
        };
        let block = Block { header, transactions: Vec::new(), evidence: Vec::new() };
        let prepared = Certificate {
            kind: VoteKind::Prepare,
            epoch: Epoch(0),
            height: Height(1),
            view: View(0),
            block: block.id(),
            signatures: Vec::new(),
        };
        let mut changes = ViewChanges::default();
        for from in 0..7 {
            let brought = Some(Arc::new(block.clone()));
            let change =
                ViewChange { height: Height(1), view: View(1), prepared: Some(prepared.clone()), block: brought };
            changes.add(ValidatorIndex(from), &change, Signature([0; 64]), true);
        }
        let kept: Vec<_> = changes.latest.values().filter_map(|r| r.block.as_ref()).collect();
        assert_eq!(kept.len(), 7);
        assert!(kept.iter().all(|other| Arc::ptr_eq(other, kept[0])));
    }

    #[test]
    fn one_validator_never_moves_the_view_of_four() {
        assert_eq!(heard(&[1000]).join_target(View(0), 2), None);
        assert_eq!(heard(&[1000, 0, 0]).join_target(View(0), 2), None);
        assert_eq!(heard(&[1000, 1]).join_target(View(0), 2), Some(View(1)));
    }

    #[test]
    fn joining_follows_the_highest_view_that_an_honest_validator_reached() {
        assert_eq!(heard(&[5, 3, 2]).join_target(View(1), 2), Some(View(3)));
        assert_eq!(heard(&[5, 3, 2]).join_target(View(3), 2), None);
        assert_eq!(heard(&[7, 7, 7, 2]).join_target(View(2), 3), Some(View(7)));
        assert_eq!(heard(&[1]).join_target(View(0), 1), Some(View(1)));
    }

    #[test]
    fn the_highest_view_of_a_validator_counts_and_never_falls() {
        let mut changes = heard(&[4, 4, 1]);
        changes.hear(ValidatorIndex(0), View(2));
        assert_eq!(changes.supporters(View(4)), 2);
        assert_eq!(changes.supporters(View(1)), 3);
        assert_eq!(changes.supporters(View(5)), 0);
    }
}
