//! Answers to catch-up requests.
//!
//! Invariant: what an answer brings is decided as everything else is, block after block, each with a certificate that
//! verifies. A false answer is its sender's fault; one that this node has no use or no room for is nobody's.

use vostro_consensus::{DecidedBlock, Input};
use vostro_types::ValidatorIndex;

use crate::sync::Outcome as SyncOutcome;
use crate::wire::{MAX_SYNC_BLOCKS, SyncResponse};

use super::{Action, Engine};

impl Engine {
    /// Takes the answer to a request, or its failure.
    pub(super) fn sync_answer(&mut self, from: ValidatorIndex, bytes: Option<Vec<u8>>, actions: &mut Vec<Action>) {
        let before = self.tip.1;
        let told = match bytes.map(|bytes| SyncResponse::from_bytes(&bytes)) {
            None => SyncOutcome::Failed,
            Some(Ok(response)) if response.blocks.len() > MAX_SYNC_BLOCKS => {
                let reason = format!("sync: {} blocks, more than were asked for", response.blocks.len());
                actions.push(Action::Penalise { validator: from, reason });
                SyncOutcome::Failed
            }
            Some(Ok(response)) => self.take_blocks(from, response, actions),
            Some(Err(error)) => {
                actions.push(Action::Penalise { validator: from, reason: format!("sync: {error}") });
                SyncOutcome::Failed
            }
        };
        // Blocks before a false one count: others have their turn before the liar is asked again.
        let outcome = if self.tip.1 > before { SyncOutcome::Forward } else { told };
        self.sync.ended(from, outcome, self.now);
    }

    /// Decides the blocks of an answer as far as they follow the tip. What is known already says nothing about the peer:
    /// this node may have decided it while the request was under way.
    fn take_blocks(&mut self, from: ValidatorIndex, response: SyncResponse, actions: &mut Vec<Action>) -> SyncOutcome {
        for certified in response.blocks {
            let height = certified.block.header.height;
            if height <= self.tip.1 {
                continue;
            }
            if height > self.tip.1.next() {
                return SyncOutcome::Failed;
            }
            if !self.has_room_for_effects() {
                // The rest is asked for again when this is durable; the peer has done nothing wrong.
                return SyncOutcome::Forward;
            }
            match DecidedBlock::verify(certified.block, certified.certificate, &self.chain, &self.validators) {
                Ok(decided) => {
                    self.input(Input::Synced(decided), actions);
                    if actions.iter().any(|a| matches!(a, Action::Halt(_))) {
                        return SyncOutcome::Failed;
                    }
                }
                Err(error) => {
                    actions.push(Action::Penalise { validator: from, reason: format!("sync: {error}") });
                    return SyncOutcome::Failed;
                }
            }
        }
        SyncOutcome::Nothing
    }

    /// Whether what decided blocks do may still wait for the disk.
    pub(super) fn has_room_for_effects(&self) -> bool {
        self.layers.iter().map(|layer| layer.bytes).sum::<usize>() < self.undurable_bytes
    }
}
