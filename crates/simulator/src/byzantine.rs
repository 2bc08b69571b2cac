//! Liars: the real engine with a filter that falsifies what it says, to each receiver in its own way.
//!
//! A liar signs what it likes with its own key, and nothing else: it forges no signature of others.

use std::collections::VecDeque;
use std::sync::Arc;

use vostro_consensus::{MESSAGE_VERSION, Message, PrePrepare, Signed, ViewChange, Vote};
use vostro_crypto::{Hash, SecretKey};
use vostro_engine::packet::{Packet, Short};
use vostro_engine::wire::SyncResponse;
use vostro_types::{Block, BlockId, Height, Time, TxId, ValidatorSet, View};

use crate::check::Checker;
use crate::dice::Dice;

/// Messages kept for replays.
const ARCHIVE: usize = 200;

/// What this liar does; drawn once a run, so that some do one thing only. Chances are in 1/10,000.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Votes for other blocks, proposes two.
    pub equivocate: u64,
    /// Keeps a message from a receiver.
    pub withhold: u64,
    /// Sends late.
    pub delay: u64,
    /// Sends old messages of anybody.
    pub replay: u64,
    /// Proposes blocks whose roots are wrong.
    pub wrong_root: u64,
    /// Proposes times out of bounds.
    pub wrong_time: u64,
    /// Leaves out claims and certificates.
    pub unjustified: u64,
    /// Talks of heights and views far away.
    pub far: u64,
    /// Sends bytes that are no message.
    pub garbage: u64,
    /// Falsifies answers to catch-up requests.
    pub forged_sync: u64,
    /// Names transactions in proposals that nobody has, or another than it signed.
    pub misname: u64,
    /// Shows every receiver the face it wants to see: one of two blocks, voted for in full.
    pub two_faced: bool,
}

/// Shows two faces and does nothing else.
pub const TWO_FACED: Habits = Habits {
    equivocate: 0,
    withhold: 0,
    delay: 0,
    replay: 0,
    wrong_root: 0,
    wrong_time: 0,
    unjustified: 0,
    far: 0,
    garbage: 0,
    forged_sync: 0,
    misname: 0,
    two_faced: true,
};

impl Habits {
    /// The habits of one liar.
    pub fn draw(dice: &mut Dice) -> Self {
        let mut chance = |highest| if dice.chance(5000) { dice.below(highest) } else { 0 };
        Habits {
            equivocate: chance(6000),
            withhold: chance(5000),
            delay: chance(4000),
            replay: chance(2000),
            wrong_root: chance(3000),
            wrong_time: chance(3000),
            unjustified: chance(8000),
            far: chance(1000),
            garbage: chance(1000),
            forged_sync: chance(9000),
            misname: chance(9000),
            two_faced: false,
        }
    }
}

/// What goes to one receiver instead of the honest message.
#[derive(Default)]
pub struct Sent {
    /// Bytes, and how many milliseconds late.
    pub messages: Vec<(Vec<u8>, u64)>,
}

/// Everything a liar knows and uses.
pub struct Liar<'a> {
    /// Its key.
    pub key: &'a SecretKey,
    /// Its habits.
    pub habits: &'a Habits,
    /// The chain's name.
    pub chain: &'a Hash,
    /// The set.
    pub set: &'a ValidatorSet,
    /// Valid blocks come from here.
    pub checker: &'a Checker,
    /// What went by.
    pub archive: &'a VecDeque<Vec<u8>>,
    /// Ids of blocks that went by, with their heights.
    pub blocks: &'a VecDeque<(Height, BlockId)>,
}

/// Remembers what went by, up to a bound.
pub fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == ARCHIVE {
        list.pop_front();
    }
    list.push_back(item);
}

impl Liar<'_> {
    /// What receiver number `to` gets instead of `honest`.
    pub fn speak(&self, honest: &Signed, to: usize, dice: &mut Dice) -> Sent {
        let mut sent = Sent::default();
        if self.habits.two_faced {
            sent.messages.push((self.sign(honest, self.face(&honest.message, to)).encode(), 0));
            return sent;
        }
        if !dice.chance(self.habits.withhold) {
            let late = if dice.chance(self.habits.delay) { dice.below(3000) } else { 0 };
            let message = self.falsify(&honest.message, dice);
            let bytes =
                self.misname(if message == honest.message { honest.clone() } else { self.sign(honest, message) }, dice);
            sent.messages.push((bytes, late));
        }
        if dice.chance(self.habits.replay) && !self.archive.is_empty() {
            let pick = dice.below(self.archive.len() as u64) as usize;
            sent.messages.push((self.archive[pick].clone(), 0));
        }
        if dice.chance(self.habits.far) {
            let height = Height(honest.message.height().0 + dice.below(5) * dice.below(500));
            let view = View(honest.message.view().0 + dice.between(1, 100));
            let far = match dice.below(3) {
                0 => Message::ViewChange(ViewChange { height, view, prepared: None, block: None }),
                1 => Message::Prepare(Vote { height, view, block: self.some_block(height, dice) }),
                _ => Message::Commit(Vote { height, view, block: self.some_block(height, dice) }),
            };
            sent.messages.push((self.sign(honest, far).encode(), 0));
        }
        if dice.chance(self.habits.garbage) {
            let mut bytes = honest.encode();
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(3) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes.truncate(at),
                _ => bytes.extend([0xff; 9]),
            }
            sent.messages.push((bytes, 0));
        }
        sent
    }

    /// The same message about the block that this receiver is shown, of the blocks known at this height.
    fn face(&self, message: &Message, to: usize) -> Message {
        let other = |height, block| {
            let mut known: Vec<BlockId> = Vec::new();
            for id in self.blocks.iter().filter(|(h, _)| *h == height).map(|(_, id)| *id).chain([block]) {
                if !known.contains(&id) {
                    known.push(id);
                }
            }
            known[to % known.len().min(2)]
        };
        match message {
            Message::Prepare(vote) => Message::Prepare(Vote { block: other(vote.height, vote.block), ..*vote }),
            Message::Commit(vote) => Message::Commit(Vote { block: other(vote.height, vote.block), ..*vote }),
            Message::PrePrepare(proposal) if to % 2 == 1 => {
                let time = Time(proposal.block.header.time.0 + 1);
                let block = self.checker.alternative(proposal.height, time);
                let block = block.unwrap_or_else(|| proposal.block.clone());
                Message::PrePrepare(PrePrepare { block, ..proposal.clone() })
            }
            Message::PrePrepare(_) | Message::ViewChange(_) | Message::Status(_) => message.clone(),
        }
    }

    fn sign(&self, honest: &Signed, message: Message) -> Signed {
        let bytes = message.statement().bytes(self.chain, self.set);
        Signed { version: MESSAGE_VERSION, sender: honest.sender, signature: self.key.sign(&bytes), message }
    }

    /// The bytes of a message; of a proposal now and then with names in the place of transactions: right ones, those of
    /// others, and such as nobody has.
    fn misname(&self, signed: Signed, dice: &mut Dice) -> Vec<u8> {
        if let Message::PrePrepare(proposal) = &signed.message
            && dice.chance(self.habits.misname)
        {
            let transactions = &proposal.block.transactions;
            let (odd, shift) = (dice.below(4) as usize, dice.below(3) as usize);
            let name = |at: usize| match (at + odd) % 4 {
                0 | 1 => Some(transactions[(at + shift) % transactions.len()].body.id(self.chain)),
                2 if odd == 0 => Some(TxId(Hash([0xee; 32]))),
                _ => None,
            };
            if let Some(short) = Short::of(&signed, name) {
                return Packet::Short(short).encode();
            }
        }
        signed.encode()
    }

    fn some_block(&self, height: Height, dice: &mut Dice) -> BlockId {
        let known: Vec<BlockId> = self.blocks.iter().filter(|(h, _)| *h == height).map(|(_, id)| *id).collect();
        if known.is_empty() { BlockId(Hash([dice.below(256) as u8; 32])) } else { *dice.pick(&known) }
    }

    fn falsify(&self, message: &Message, dice: &mut Dice) -> Message {
        match message {
            Message::Prepare(vote) => Message::Prepare(self.vote(vote, dice)),
            Message::Commit(vote) => Message::Commit(self.vote(vote, dice)),
            Message::PrePrepare(proposal) => Message::PrePrepare(self.proposal(proposal, dice)),
            Message::ViewChange(change) => {
                let mut change = change.clone();
                if dice.chance(self.habits.unjustified) {
                    (change.prepared, change.block) = (None, None);
                }
                Message::ViewChange(change)
            }
            Message::Status(status) => Message::Status(status.clone()),
        }
    }

    fn vote(&self, vote: &Vote, dice: &mut Dice) -> Vote {
        if !dice.chance(self.habits.equivocate) {
            return *vote;
        }
        Vote { block: self.some_block(vote.height, dice), ..*vote }
    }

    fn proposal(&self, honest: &PrePrepare, dice: &mut Dice) -> PrePrepare {
        let mut proposal = honest.clone();
        if dice.chance(self.habits.unjustified)
            && let Some(justification) = &mut proposal.justification
        {
            if dice.chance(5000) {
                justification.claims.retain(|claim| claim.prepared.is_none());
            }
            justification.prepared = None;
        }
        if dice.chance(self.habits.equivocate) {
            let time = Time(honest.block.header.time.0 + dice.between(1, 20));
            if let Some(block) = self.checker.alternative(honest.height, time) {
                proposal.block = block;
            }
        }
        let mut block = Block::clone(&proposal.block);
        if dice.chance(self.habits.wrong_root) {
            let wrong = Hash([0xee; 32]);
            match dice.below(3) {
                0 => block.header.state_root = wrong,
                1 => block.header.receipts_root = wrong,
                _ => block.header.transactions_root = wrong,
            }
        }
        if dice.chance(self.habits.wrong_time) {
            let time = block.header.time.0;
            block.header.time = Time(*dice.pick(&[time + 60_000, time.saturating_sub(60_000), time + 400, 0]));
        }
        proposal.block = Arc::new(block);
        proposal
    }

    /// What goes out instead of an honest answer to a catch-up request.
    pub fn answer(&self, mut response: SyncResponse, dice: &mut Dice) -> Option<SyncResponse> {
        if !dice.chance(self.habits.forged_sync) {
            return Some(response);
        }
        let count = response.blocks.len() as u64;
        let at = dice.below(count) as usize;
        match dice.below(6) {
            0 => return None,
            1 => response.blocks.clear(),
            2 if count > 0 => {
                response.blocks[at].certificate.signatures.pop();
            }
            3 if count > 1 => response.blocks.swap(0, at),
            4 if count > 0 => {
                let mut block = Block::clone(&response.blocks[at].block);
                block.header.state_root = Hash([0xee; 32]);
                response.blocks[at].block = Arc::new(block);
            }
            5 if count > 0 => {
                // Another block under its own forged certificate.
                let height = response.blocks[at].block.header.height;
                let time = Time(response.blocks[at].block.header.time.0 + 1);
                if let Some(block) = self.checker.alternative(height, time) {
                    response.blocks[at].certificate.block = block.id();
                    response.blocks[at].block = block;
                } else {
                    response.blocks[at].certificate.height = Height(height.0 + 1);
                }
            }
            _ => {}
        }
        Some(response)
    }
}
