//! Votes of one kind at one height, counted by voter.
//!
//! Invariant: a validator counts at most once in a view, for the first block it voted for; only views of a bounded
//! window are kept. So memory is bounded by the size of the set, whatever validators send.

use std::collections::BTreeMap;

use vostro_types::{BlockId, Certificate, Height, Signature, ValidatorIndex, ValidatorSet, View, VoteKind};

/// Votes are kept for views within this distance of the own view.
pub const VIEW_WINDOW: u64 = 16;

/// What adding a vote did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It counts.
    New,
    /// It was there, or its view is outside the window.
    Nothing,
    /// The validator voted for another block in this view before; here is that vote.
    Contradicts(BlockId, Signature),
}

#[derive(Clone, Debug)]
pub(crate) struct Votes {
    kind: VoteKind,
    views: BTreeMap<View, BTreeMap<ValidatorIndex, (BlockId, Signature)>>,
}

impl Votes {
    pub(crate) fn new(kind: VoteKind) -> Self {
        Votes { kind, views: BTreeMap::new() }
    }

    /// Adds a vote; `mine` is the centre of the window.
    pub(crate) fn add(
        &mut self,
        mine: View,
        view: View,
        from: ValidatorIndex,
        block: BlockId,
        signature: Signature,
    ) -> Added {
        if view.0.abs_diff(mine.0) > VIEW_WINDOW {
            return Added::Nothing;
        }
        let voters = self.views.entry(view).or_default();
        match voters.get(&from) {
            None => {
                voters.insert(from, (block, signature));
                Added::New
            }
            Some((first, _)) if *first == block => Added::Nothing,
            Some((first, signature)) => Added::Contradicts(*first, *signature),
        }
    }

    /// Forgets views below `first`.
    pub(crate) fn forget_below(&mut self, first: View) {
        self.views = self.views.split_off(&first);
    }

    /// The vote of one validator in a view.
    pub(crate) fn of(&self, view: View, from: ValidatorIndex) -> Option<(BlockId, Signature)> {
        self.views.get(&view).and_then(|voters| voters.get(&from)).copied()
    }

    /// Votes of one validator in views below `view`, highest first.
    pub(crate) fn below(&self, view: View, from: ValidatorIndex) -> impl Iterator<Item = (View, BlockId, Signature)> {
        let below = self.views.range(..view).rev();
        below.filter_map(move |(v, voters)| voters.get(&from).map(|(block, signature)| (*v, *block, *signature)))
    }

    /// Everyone who voted, each once.
    pub(crate) fn voters(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.views.values().flat_map(|voters| voters.keys().copied())
    }

    /// The certificate of a block in a view, if a quorum voted for it there.
    pub(crate) fn certificate(
        &self,
        set: &ValidatorSet,
        height: Height,
        view: View,
        block: BlockId,
    ) -> Option<Certificate> {
        let voters = self.views.get(&view)?;
        let signatures: Vec<_> =
            voters.iter().filter(|(_, (b, _))| *b == block).map(|(from, (_, s))| (*from, *s)).collect();
        (signatures.len() >= set.quorum()).then(|| Certificate {
            kind: self.kind,
            epoch: set.epoch(),
            height,
            view,
            block,
            signatures,
        })
    }

    /// The certificate of any block in any view, if a quorum voted for it.
    pub(crate) fn any_certificate(&self, set: &ValidatorSet, height: Height) -> Option<Certificate> {
        for (view, voters) in &self.views {
            if voters.len() < set.quorum() {
                continue;
            }
            let mut counts: BTreeMap<BlockId, usize> = BTreeMap::new();
            for (block, _) in voters.values() {
                *counts.entry(*block).or_default() += 1;
            }
            if let Some((block, _)) = counts.into_iter().find(|(_, count)| *count >= set.quorum()) {
                return self.certificate(set, height, *view, block);
            }
        }
        None
    }
}
