//! Proposals on their way: sent short, put together, asked about.
//!
//! Invariant: nothing depends on it. A primary sends a proposal short once; when it says it again it says it whole, and who was
//! left without has it then. What is put together has the transactions root that the primary signed.
//!
//! ```text
//!   primary   Send ─▶ waited a while here: its name │ else: itself ─▶ Short ───────────▶ validators and observers
//!   receiver  Short ─▶ signed? ─▶ all here? ─▶ whole, as if it had come so
//!                                  └ no ─▶ Ask, once a Short ─▶ primary ─▶ Short with what was asked for, once a validator
//! ```

use std::collections::{BTreeMap, BTreeSet};

use vostro_consensus::{Message, MessageError, Part, Signed, To};
use vostro_types::{BlockId, Height, TxId, ValidatorIndex, View};

use crate::packet::{Ask, Named, Packet, PacketError, Short};

use super::{Action, Engine};

/// What waited so long for a block at its primary is taken to have come to the others. Milliseconds.
pub const HELD_AFTER_MS: u64 = 50;
/// Short proposals of one primary and height that may fail to be put together here before no more are looked at.
const MAX_FAILED: u8 = 4;

/// Short proposals that could not be put together, by primary and height: of the height that is being decided and the next one.
pub(super) type Failed = BTreeMap<(ValidatorIndex, Height), u8>;

/// The proposal that this node sent short.
#[derive(Debug)]
pub(super) struct Offered {
    at: (Height, View),
    block: BlockId,
    proposal: Signed,
    /// The names in it, by position.
    named: Vec<Option<TxId>>,
    /// Who asked about it.
    answered: BTreeSet<ValidatorIndex>,
}

impl Offered {
    pub(super) fn proposal(&self) -> &Signed {
        &self.proposal
    }
}

impl Engine {
    /// The bytes of a message as it is sent: short if it is a proposal of this node that it says for the first time, and some of its
    /// transactions waited long enough.
    pub(super) fn pack(&mut self, to: To, message: Signed) -> Vec<u8> {
        match self.shorten(to, &message) {
            Some(short) => Packet::Short(short).encode(),
            None => message.encode(),
        }
    }

    fn shorten(&mut self, to: To, message: &Signed) -> Option<Short> {
        let Message::PrePrepare(proposal) = &message.message else { return None };
        let at = (proposal.height, proposal.view);
        let is_first = self.offered.as_ref().is_none_or(|offered| offered.at != at);
        if to != To::All || Some(message.sender) != self.me() || !is_first {
            return None;
        }
        let block = proposal.block.id();
        let before = self.now.minus(self.held_after_ms);
        let is_held = |id: &TxId| self.mempool.waits_since(id).is_some_and(|since| since <= before);
        let ids = self.candidates.get(&block)?.ids.iter();
        let named: Vec<Option<TxId>> = ids.map(|id| Some(*id).filter(is_held)).collect();
        let short = Short::of(message, |position| named.get(position).copied().flatten())?;
        self.offered = Some(Offered { at, block, proposal: message.clone(), named, answered: BTreeSet::new() });
        Some(short)
    }

    /// Answers a validator that does not hold what this node's proposal names: once, with what it asks for.
    pub(super) fn asked(&mut self, from: Option<ValidatorIndex>, ask: &Ask, actions: &mut Vec<Action>) {
        let Some((from, offered)) = from.zip(self.offered.as_mut()) else { return };
        if offered.at != ask.at() || offered.block != ask.block() || !offered.answered.insert(from) {
            return;
        }
        let name = |position: usize| offered.named.get(position).copied().flatten().filter(|_| !ask.asks_for(position));
        let answer =
            Short::of(&offered.proposal, name).map_or_else(|| Packet::Message(offered.proposal.clone()), Packet::Short);
        actions.push(Action::Send { to: To::One(from), bytes: answer.encode() });
    }

    /// Puts a short proposal together, or asks for what is missing.
    pub(super) fn short(&mut self, from: Option<ValidatorIndex>, short: Short, actions: &mut Vec<Action>) {
        let (primary, at) =
            (short.proposal().sender, (short.proposal().message.height(), short.proposal().message.view()));
        // Nobody passes short proposals on, and those of other heights are of no use.
        let is_of_use = from == Some(primary) && self.may_put_together(primary, at.0);
        if !is_of_use || self.replica.ignores(self.now, short.proposal()) {
            self.figures.ignored_messages += 1;
            return;
        }
        let (proposal, named) = short.into_parts();
        let proposal = match proposal.authenticate(&self.chain, &self.validators) {
            Ok(proposal) => proposal,
            Err(error) => return self.refuse(from, &error, actions),
        };
        let find = |(position, named): (u32, &Named)| match named {
            Named::Held(id) => self.mempool.get(id).cloned().map(Part::Held).ok_or(position),
            Named::Sent(transaction) => Ok(Part::Sent(transaction.clone())),
        };
        let found: Vec<Result<Part, u32>> = (0..).zip(&named).map(find).collect();
        let held: Vec<_> = found.iter().map(|part| part.as_ref().ok().and_then(Part::held).cloned()).collect();
        let bytes: usize = held.iter().flatten().map(|transaction| transaction.size()).sum();
        if named.len() > self.block_limits.transactions || bytes > self.block_limits.bytes {
            return self.refuse(from, &PacketError::TooMuch, actions);
        }
        let Message::PrePrepare(p) = &proposal.signed().message else { return };
        let block = p.block.id();
        let missing: Vec<u32> = found.iter().filter_map(|part| part.as_ref().err()).copied().collect();
        if !missing.is_empty() {
            return self.ask(primary, at, block, missing, actions);
        }
        match proposal.prove_with(found.into_iter().flatten().collect(), &self.chain, &self.validators) {
            Ok(message) => {
                if let Message::PrePrepare(p) = message.message() {
                    self.at_hand = Some((p.block.clone(), held));
                }
                self.figures.put_together += 1;
                self.verified(from, message, actions);
            }
            // Another variant of a transaction waits here: the same id, other signatures.
            Err(MessageError::TransactionsRoot { .. }) => {
                let all = (0..).zip(&named).map(|(position, _)| position).collect();
                self.ask(primary, at, block, all, actions);
            }
            Err(error) => self.refuse(from, &error, actions),
        }
    }

    /// Whether one more short proposal of a primary is looked at: of the height that is being decided or the next one, and not
    /// after many that could not be put together. The whole ones are then waited for.
    fn may_put_together(&mut self, primary: ValidatorIndex, height: Height) -> bool {
        let now = self.replica.height();
        self.failed.retain(|(_, height), _| *height >= now);
        let failed = self.failed.get(&(primary, height)).copied().unwrap_or_default();
        (height == now || height == now.next()) && failed < MAX_FAILED
    }

    /// Asks a primary for transactions of its proposal. Nobody would know whom to answer if an observer asked.
    fn ask(
        &mut self,
        primary: ValidatorIndex,
        at: (Height, View),
        block: BlockId,
        missing: Vec<u32>,
        actions: &mut Vec<Action>,
    ) {
        self.figures.asked += 1;
        *self.failed.entry((primary, at.0)).or_default() += 1;
        if self.me().is_some() {
            let bytes = Packet::Ask(Ask::new(at, block, missing)).encode();
            actions.push(Action::Send { to: To::One(primary), bytes });
        }
    }
}
