//! What goes into an engine and what comes out of it.
//!
//! Invariant: an event carries what the host has checked by type: verified messages, transactions, evidence and blocks. Bytes come
//! in as [`Event::Message`] only.

use std::sync::Arc;

use vostro_consensus::{GuardMark, Record, Seq, To, Verified};
use vostro_execution::{Changes, Tree, tree};
use vostro_types::{
    Block, Certificate, Height, Label, Receipt, Time, TxId, ValidatorIndex, VerifiedEvidence, VerifiedTransaction,
};

use super::answers::{AnswerEnd, Fetched};
use crate::wire::SyncRequest;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A message of the ordering protocol arrived from a peer, unverified.
    Message {
        /// Which validator's connection brought it; `None` for another peer.
        from: Option<ValidatorIndex>,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A message of the ordering protocol that the host verified, as [`Event::Message`] would have been.
    Verified {
        /// Which validator's connection brought it; `None` for another peer.
        from: Option<ValidatorIndex>,
        /// The message.
        message: Verified,
    },
    /// Clients handed in transactions whose signatures verify.
    Submitted {
        /// Comes back in [`Action::Admitted`].
        ticket: u64,
        /// In the order given.
        transactions: Vec<VerifiedTransaction>,
    },
    /// Peers sent transactions whose signatures verify.
    Gossiped {
        /// In the order given.
        transactions: Vec<VerifiedTransaction>,
    },
    /// Peers sent evidence that verifies.
    Accused {
        /// In the order given.
        evidence: Vec<VerifiedEvidence>,
    },
    /// Everything up to this [`Action::Persist`] is durable.
    Persisted(Seq),
    /// The block of this height and all before are durable, and the state given at boot has their changes.
    Durable(Height),
    /// A validator is connected.
    Connected(ValidatorIndex),
    /// A validator is no longer connected.
    Disconnected(ValidatorIndex),
    /// A block of the answer to [`Action::Request`], in its turn, as [`check_answer`] gives it.
    Fetched {
        /// Who was asked.
        from: ValidatorIndex,
        /// The block.
        block: Box<Fetched>,
    },
    /// The answer to [`Action::Request`] is over.
    Answered {
        /// Who was asked.
        from: ValidatorIndex,
        /// What [`check_answer`] said of it.
        end: AnswerEnd,
    },
    /// The time asked for by [`Action::WakeAt`] has come.
    Tick,
}

/// What became of a transaction that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits for a block.
    Pending(TxId),
    /// A decided block holds it already.
    Decided(TxId),
}

/// What a missing signature is about, as the contract names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing(pub Vec<Label>);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.0.iter().map(Label::as_str).collect();
        write!(f, ": missing for {}", names.join(", "))
    }
}

/// Why a transaction was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its time has passed.
    #[error("the transaction expired at {valid_until}, before the chain's time {now}")]
    Expired {
        /// Its last valid time.
        valid_until: Time,
        /// The chain's time.
        now: Time,
    },
    /// It would be valid for too long.
    #[error("the transaction is valid until {valid_until}, more than an hour after {now}")]
    TooFarAhead {
        /// Its last valid time.
        valid_until: Time,
        /// The chain's time.
        now: Time,
    },
    /// No such sender is on the ledger (yet).
    #[error("the sender is not on the ledger")]
    UnknownSender,
    /// The keys that signed may not act: the sender's, or those of somebody whose consent the action needs.
    #[error("the keys that signed may not act{about}")]
    NotAuthorised {
        /// The contract's code: 101 if no key is the sender's, 107 if weight is missing.
        code: u16,
        /// Whose consent is missing, if it is not the sender's own.
        about: Missing,
    },
    /// No block could hold it.
    #[error("{bytes} bytes are more than the {limit} that a transaction may have")]
    TooLarge {
        /// Its encoded length.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The mempool is at its cap.
    #[error("the mempool is full")]
    Full,
    /// The sender has too many transactions waiting.
    #[error("too many transactions of this sender wait already")]
    SenderFull,
}

/// A decided block and everything that follows from it.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The block.
    pub block: Arc<Block>,
    /// Its commit certificate.
    pub certificate: Certificate,
    /// Ids of its transactions, in order.
    pub ids: Vec<TxId>,
    /// Its receipts, deadlines' included.
    pub receipts: Vec<Receipt>,
    /// The encoding of the list of them, for whoever stores it.
    pub receipt_list: Vec<u8>,
    /// Changes to the state.
    pub changes: Arc<Changes>,
    /// The same to the state tree, for whoever keeps its leaves.
    pub leaves: Vec<tree::Change>,
    /// State tree after it.
    pub tree: Tree,
}

/// What the host has to do, in order.
#[derive(Debug)]
pub enum Action {
    /// Append to the consensus log, write the guard's mark, make both durable, answer [`Event::Persisted`].
    Persist {
        /// Number to answer with.
        seq: Seq,
        /// Records in order.
        records: Vec<Record>,
        /// The guard's mark, if it rose.
        guard: Option<GuardMark>,
    },
    /// Append the block to the block log before any later record; once it is durable, apply its changes to the state,
    /// tell clients and answer [`Event::Durable`].
    Commit(Box<Committed>),
    /// Send a message of the ordering protocol to all validators and observers, or to one validator.
    Send {
        /// To whom.
        to: To,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Gossip a batch of transactions or evidence.
    Gossip(Vec<u8>),
    /// Send a batch of transactions or evidence to one validator directly.
    Forward {
        /// To whom.
        to: ValidatorIndex,
        /// Bytes of a [`GossipBatch`].
        bytes: Vec<u8>,
    },
    /// Ask a validator for decided blocks; answer [`Event::Fetched`] and [`Event::Answered`].
    Request {
        /// Whom.
        to: ValidatorIndex,
        /// What.
        request: SyncRequest,
    },
    /// Give [`Event::Tick`] at this time; replaces the time asked for before.
    WakeAt(Time),
    /// What became of [`Event::Submitted`], one result for each transaction.
    Admitted {
        /// As given.
        ticket: u64,
        /// In the order given.
        results: Vec<Result<Admission, Refusal>>,
    },
    /// Lower a validator's standing.
    Penalise {
        /// Whose.
        validator: ValidatorIndex,
        /// Why.
        reason: String,
    },
    /// This node saw a validator contradict itself.
    Evidence(Box<VerifiedEvidence>),
    /// Something an operator should know.
    Warn(String),
    /// The node must stop: going on could do harm. Says why.
    Halt(String),
}
