//! Executed blocks of the height that is being decided.
//!
//! Invariant: at most [`MAX_CANDIDATES`], each once, whatever primaries propose.

use std::collections::{BTreeMap, VecDeque};

use vostro_types::BlockId;

use crate::candidate::Candidate;

/// Executed blocks of the height being decided that are kept; of more, the oldest goes.
const MAX_CANDIDATES: usize = 8;

/// Blocks by id. Generic for the sake of its test alone.
#[derive(Debug)]
pub(crate) struct Candidates<T = Candidate> {
    blocks: BTreeMap<BlockId, T>,
    /// In the order in which they came.
    order: VecDeque<BlockId>,
}

impl<T> Default for Candidates<T> {
    fn default() -> Self {
        Candidates { blocks: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<T> Candidates<T> {
    /// Keeps an executed block; the oldest goes if there are too many. One that was executed again keeps its turn.
    pub(crate) fn keep(&mut self, id: BlockId, candidate: T) {
        if self.blocks.insert(id, candidate).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_CANDIDATES
            && let Some(oldest) = self.order.pop_front()
        {
            self.blocks.remove(&oldest);
        }
    }

    /// The block, if it was executed and is here.
    pub(crate) fn get(&self, id: &BlockId) -> Option<&T> {
        self.blocks.get(id)
    }

    /// Whether the block was executed and is here.
    pub(crate) fn contains(&self, id: &BlockId) -> bool {
        self.blocks.contains_key(id)
    }

    /// The block that was decided, if it is here. The others of its height are of no use any more.
    pub(crate) fn decide(&mut self, id: &BlockId) -> Option<T> {
        self.order.clear();
        let decided = self.blocks.remove(id);
        self.blocks.clear();
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vostro_types::Hash;

    #[test]
    fn of_many_proposals_the_latest_are_kept() {
        let id = |n: usize| BlockId(Hash([n as u8; 32]));
        let mut candidates = Candidates::default();
        for n in 0..100 {
            candidates.keep(id(n), n);
            candidates.keep(id(n), n);
            let kept: Vec<usize> = (0..100).filter(|n| candidates.contains(&id(*n))).collect();
            assert_eq!(kept, ((n + 1).saturating_sub(MAX_CANDIDATES)..=n).collect::<Vec<_>>());
        }
        assert_eq!(candidates.decide(&id(95)), Some(95));
        assert!((0..100).all(|n| !candidates.contains(&id(n))), "those of its height have had their time");
        candidates.keep(id(1), 1);
        assert_eq!((candidates.decide(&id(2)), candidates.contains(&id(1))), (None, false));
    }
}
