//! Answers to catch-up requests.
//!
//! Invariant: what an answer brings is decided as everything else is, block after block, each with a certificate that
//! verifies. A false answer is its sender's fault; one that this node has no use for is nobody's.
//!
//! ```text
//!   any thread    check_answer: bytes ─▶ Fetched, Fetched, … ─▶ AnswerEnd     decoding, and everything that is signed
//!   the engine    waits in Fetches ─▶ decided, a block a step, while there is room for what they do
//! ```
//!
//! So a block is verified while the one before it is executed. Where blocks wait for a slow disk the next answer is fetched
//! meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use vostro_consensus::{DecidedBlock, Input};
use vostro_types::codec::encode;
use vostro_types::transaction::verify_all;
use vostro_types::{Hash, Height, ValidatorIndex, ValidatorSet, VerifiedTransaction};

use crate::sync::Outcome as SyncOutcome;
use crate::wire::{MAX_SYNC_BLOCKS, MAX_SYNC_BYTES, SyncResponse};

use super::{Action, Engine, MAX_UNDURABLE};

/// While fetched blocks of so many encoded bytes, certificates included, wait to be decided, no more are asked for. In memory they
/// take a few times as much.
pub const MAX_FETCHED_BYTES: usize = MAX_SYNC_BYTES / 2;

/// A block of an answer: decided, as its certificate shows, and its transactions verified.
#[derive(Clone, Debug)]
pub struct Fetched {
    decided: DecidedBlock,
    /// `None` if one of them does not verify. Then execution says which.
    transactions: Option<Vec<Arc<VerifiedTransaction>>>,
    bytes: usize,
}

impl Fetched {
    fn height(&self) -> Height {
        self.decided.block().header.height
    }
}

/// What is to be said of an answer after its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerEnd {
    /// These were all blocks in it.
    Whole,
    /// There was none.
    Missing,
    /// What follows is false.
    False(String),
}

/// Reads the bytes of a [`SyncResponse`], or what came in its place, and hands on the blocks before the first false one, each when it
/// is verified, until `fetched` wants no more. Chain and validators are the engine's.
pub fn check_answer(
    bytes: Option<Vec<u8>>,
    chain: &Hash,
    validators: &ValidatorSet,
    mut fetched: impl FnMut(Fetched) -> bool,
) -> AnswerEnd {
    let Some(bytes) = bytes else { return AnswerEnd::Missing };
    let blocks = match SyncResponse::from_bytes(&bytes) {
        Ok(response) => response.blocks,
        Err(error) => return AnswerEnd::False(format!("sync: {error}")),
    };
    drop(bytes);
    if blocks.len() > MAX_SYNC_BLOCKS {
        return AnswerEnd::False(format!("sync: {} blocks, more than were asked for", blocks.len()));
    }
    let mut before: Option<Height> = None;
    for certified in blocks {
        let height = certified.block.header.height;
        if let Some(before) = before.replace(height)
            && height != before.next()
        {
            return AnswerEnd::False(format!("sync: block {height} follows block {before}"));
        }
        let decided = match DecidedBlock::verify(certified.block, certified.certificate, chain, validators) {
            Ok(decided) => decided,
            Err(error) => return AnswerEnd::False(format!("sync: {error}")),
        };
        let block = decided.block();
        let bytes = encode(&**block).len() + encode(decided.certificate()).len();
        let transactions = verify_all(block.transactions.clone(), chain);
        let transactions = transactions.into_iter().map(|verdict| verdict.map(Arc::new)).collect::<Result<_, _>>().ok();
        if !fetched(Fetched { decided, transactions, bytes }) {
            break;
        }
    }
    AnswerEnd::Whole
}

/// Fetched blocks that wait to be decided, one after the other above the tip.
#[derive(Debug)]
pub(super) struct Fetches {
    waiting: VecDeque<Fetched>,
    bytes: usize,
    limit: usize,
}

impl Fetches {
    /// None; more are asked for while fewer than `limit` bytes wait.
    pub(super) fn new(limit: usize) -> Self {
        Fetches { waiting: VecDeque::new(), bytes: 0, limit }
    }

    /// Whether more may be asked for.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.limit
    }

    fn push(&mut self, block: Fetched) {
        self.bytes += block.bytes;
        self.waiting.push_back(block);
    }

    fn pop(&mut self) -> Option<Fetched> {
        let block = self.waiting.pop_front()?;
        self.bytes -= block.bytes;
        Some(block)
    }

    /// The block after `tip`. What was decided meanwhile in another way is dropped, and so is all if that block is not here.
    fn after(&mut self, tip: Height) -> Option<Fetched> {
        while self.waiting.front()?.height() <= tip {
            self.pop();
        }
        if self.waiting.front()?.height() > tip.next() {
            self.waiting.clear();
            self.bytes = 0;
        }
        self.pop()
    }
}

impl Engine {
    /// The last block that is decided here or known to be.
    pub(super) fn fetched_up_to(&self) -> Height {
        self.fetches.waiting.back().map_or(self.tip.1, |last| last.height().max(self.tip.1))
    }

    /// Takes a block of an answer. What is known already says nothing about the peer: this node may have decided it while the
    /// request was under way.
    pub(super) fn fetched(&mut self, from: ValidatorIndex, block: Fetched) {
        let (height, have) = (block.height(), self.fetched_up_to());
        if height == have.next() {
            self.fetches.push(block);
            self.sync.brought(from, SyncOutcome::Forward);
        } else if height > have {
            self.sync.brought(from, SyncOutcome::Failed);
        }
    }

    /// The answer from a validator is over. Blocks before a false one count: others have their turn before the liar is asked
    /// again.
    pub(super) fn answer_ended(&mut self, from: ValidatorIndex, end: AnswerEnd, actions: &mut Vec<Action>) {
        let told = match end {
            AnswerEnd::Whole => SyncOutcome::Nothing,
            AnswerEnd::Missing => SyncOutcome::Failed,
            AnswerEnd::False(reason) => {
                actions.push(Action::Penalise { validator: from, reason });
                SyncOutcome::Failed
            }
        };
        self.sync.ended(from, told, self.now);
    }

    /// Decides the next fetched block, if there is room for what it does.
    pub(super) fn decide_fetched(&mut self, actions: &mut Vec<Action>) {
        if !self.may_decide_fetched() {
            return;
        }
        let Some(Fetched { decided, transactions, .. }) = self.fetches.after(self.tip.1) else { return };
        if let Some(transactions) = transactions {
            self.at_hand = Some((decided.block().clone(), transactions.into_iter().map(Some).collect()));
        }
        self.input(Input::Synced(decided), actions);
    }

    /// Whether a fetched block can be decided now.
    pub(super) fn may_decide_fetched(&self) -> bool {
        !self.fetches.waiting.is_empty() && self.has_room_for_effects()
    }

    /// Whether what decided blocks do may still wait for the disk.
    fn has_room_for_effects(&self) -> bool {
        let bytes: usize = self.layers.iter().map(|layer| layer.bytes).sum();
        self.layers.len() < MAX_UNDURABLE && bytes < self.undurable_bytes
    }
}
