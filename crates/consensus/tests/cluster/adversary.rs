//! What faulty validators do: they sign what they like with their own keys, and nothing else.

use vostro_consensus::{Message, PrePrepare, Signed, ViewChange, Vote};
use vostro_crypto::Hash;
use vostro_types::{BlockId, View};

use super::world::World;

impl World {
    /// Messages a liar sends instead of an honest one, to one receiver.
    pub fn falsify(&mut self, honest: &Signed) -> Vec<Signed> {
        let sender = honest.sender;
        let mut messages = Vec::new();
        if !self.dice.chance(2000) {
            let message = self.falsify_one(&honest.message);
            messages.push(self.chain.sign(sender, message));
        }
        if self.dice.chance(1000) && !self.archive.is_empty() {
            // a replay, of its own or of another's message
            let pick = self.dice.below(self.archive.len() as u64) as usize;
            messages.push(self.archive[pick].clone());
        }
        if self.dice.chance(300) {
            let (height, view) = (honest.message.height(), View(honest.message.view().0 + 1));
            let change = ViewChange { height, view, prepared: None, block: None };
            messages.push(self.chain.sign(sender, Message::ViewChange(change)));
        }
        messages
    }

    fn falsify_one(&mut self, message: &Message) -> Message {
        match message {
            Message::Prepare(vote) => Message::Prepare(self.falsify_vote(vote)),
            Message::Commit(vote) => Message::Commit(self.falsify_vote(vote)),
            Message::PrePrepare(p) => Message::PrePrepare(self.falsify_proposal(p)),
            Message::ViewChange(c) => {
                let mut change = c.clone();
                if self.dice.chance(4000) {
                    (change.prepared, change.block) = (None, None);
                }
                if self.dice.chance(1000) {
                    change.view = View(change.view.0 + self.dice.between(1, 40));
                    change.block = None;
                }
                Message::ViewChange(change)
            }
            Message::Status(_) => message.clone(),
        }
    }

    fn falsify_vote(&mut self, vote: &Vote) -> Vote {
        let mut vote = *vote;
        if self.dice.chance(4000) {
            let others: Vec<BlockId> = self
                .blocks
                .values()
                .filter(|b| b.header.height == vote.height)
                .map(|b| b.id())
                .filter(|id| *id != vote.block)
                .collect();
            vote.block = if others.is_empty() {
                BlockId(Hash(self.dice.hash()))
            } else {
                others[self.dice.below(others.len() as u64) as usize]
            };
        }
        if self.dice.chance(500) {
            vote.view = View(vote.view.0 + 1);
        }
        vote
    }

    fn falsify_proposal(&mut self, p: &PrePrepare) -> PrePrepare {
        let mut proposal = p.clone();
        if self.dice.chance(5000) {
            return proposal;
        }
        let header = &p.block.header;
        let carried = p.justification.as_ref().is_some_and(|j| j.prepared.is_some());
        if carried {
            // drop every claim that stands in the way of a block of its own choice, or their proof alone
            let claims = self.dice.chance(5000);
            if let Some(justification) = &mut proposal.justification {
                justification.claims.retain(|c| !claims || c.prepared.is_none());
                justification.prepared = None;
            }
        }
        let payload = Hash([if self.dice.chance(5000) { 0xaa } else { 0xbb }; 32]);
        let mut block = self.chain.block(header.height, header.parent, header.time, payload);
        if self.dice.chance(1500) {
            let mut broken = (*block).clone();
            broken.header.state_root = Hash([0xee; 32]);
            block = broken.into();
        }
        self.know(&block);
        proposal.block = block;
        proposal
    }
}
