//! What goes into the core and what it asks of its host, as plain data.
//!
//! Invariant: effects are carried out in the order given. Nothing signed is among them before the host answered
//! [`Input::Persisted`] for the [`Effect::Persist`] that holds its record: the core keeps such messages back itself, so
//! a host cannot send too early.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_types::codec::{self, CodecError, MAX_MESSAGE};
use vostro_types::{Block, BlockId, Certificate, Evidence, Height, Time, ValidatorIndex, View};

use crate::guard::{GuardMark, GuardRefusal};
use crate::message::{DecidedBlock, Signed, Verified};

/// Number of a [`Effect::Persist`], ascending from 1 at each boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A verified message arrived.
    Message(Verified),
    /// A verified message that came straight from its sender, over a connection made in this life of the process: what it
    /// says was true a moment ago. A host that cannot tell gives [`Input::Message`].
    Firsthand(Verified),
    /// The time asked for by [`Effect::WakeAt`] has come (or any other time has: ticks are harmless).
    Tick,
    /// Whether a block is wanted now: transactions or evidence wait, or a deadline in the contract is due. It holds until said
    /// otherwise or until a block is decided, which sets it to false.
    Demand(bool),
    /// Answer to [`Effect::Build`]: a block on the decided tip, executed, its roots in the header.
    Built {
        /// Height of the request.
        height: Height,
        /// View of the request.
        view: View,
        /// The block.
        block: Arc<Block>,
    },
    /// Answer to [`Effect::Execute`].
    Executed {
        /// The block.
        block: BlockId,
        /// Whether its transactions and evidence are valid and reproduce the header's roots. A host that could not find out (a disk
        /// error) does not answer.
        valid: bool,
    },
    /// Everything up to and including this [`Effect::Persist`] is durable.
    Persisted(Seq),
    /// A decided block was fetched from a peer. Blocks are given in order of height.
    Synced(DecidedBlock),
    /// A connection to this validator was made.
    Reconnected(ValidatorIndex),
    /// There is no connection to this validator, for it ended or was not made yet.
    Disconnected(ValidatorIndex),
}

/// Whom a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// All other validators, and the observers that follow this node.
    All,
    /// One validator.
    One(ValidatorIndex),
}

/// What is written to the consensus log and read back at boot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// A message this validator signed, exactly as it is sent (a view-change without the attached block).
    Own(Signed),
    /// The proposal of another that this validator prepares.
    Accepted(Signed),
    /// A prepared certificate; its block is that of the proposal accepted in its view.
    Prepared(Certificate),
}

impl Record {
    /// Largest encoded record in bytes: a message and its tag.
    pub const MAX: usize = MAX_MESSAGE + 16;

    /// The height it belongs to; a record at or below the decided tip is no longer needed.
    pub fn height(&self) -> Height {
        match self {
            Record::Own(signed) | Record::Accepted(signed) => signed.message.height(),
            Record::Prepared(certificate) => certificate.height,
        }
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A record from bytes.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes are not what [`Record::encode`] made.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::MAX)
    }
}

/// Why the core did not sign although the protocol would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The guard's mark forbids it.
    Guard(GuardRefusal),
    /// Too many records wait for the disk.
    Disk {
        /// How many [`Effect::Persist`] are unanswered.
        waiting: usize,
    },
}

/// What a validator did that cannot be an accident of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It proposed a block of its own making that breaks a rule.
    InvalidBlock {
        /// Height of the proposal.
        height: Height,
        /// View of the proposal.
        view: View,
        /// The block.
        block: BlockId,
    },
    /// It signed two contradictory statements; an [`Effect::Evidence`] goes with it.
    Contradiction,
}

/// What the host has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Append the records to the consensus log and sync it; then write the guard's mark to the guard's own file and sync
    /// that; then answer [`Input::Persisted`]. A failed write or sync is fatal. The order matters for progress, not for
    /// safety: a mark ahead of the log makes this node silent where it has forgotten what it signed.
    Persist {
        /// Number to answer with.
        seq: Seq,
        /// In this order.
        records: Vec<Record>,
        /// The guard's mark, if it rose.
        guard: Option<GuardMark>,
    },
    /// Send now. Best effort: the core repeats what matters.
    Send {
        /// To whom.
        to: To,
        /// What.
        message: Signed,
    },
    /// Give [`Input::Tick`] at this time; replaces the time asked for before.
    WakeAt(Time),
    /// Make a block on the decided tip, an empty one if nothing is left to put into it, with a time of
    /// `max(now, min_time)`. Answer [`Input::Built`].
    Build {
        /// Height of the block.
        height: Height,
        /// View it will be proposed in.
        view: View,
        /// Its parent.
        parent: BlockId,
        /// Least time it may have.
        min_time: Time,
    },
    /// Validate and execute a block on the decided tip. Answer [`Input::Executed`].
    Execute {
        /// The block.
        block: Arc<Block>,
    },
    /// The block is final. Append it and its certificate to the same log as records, before any later record; apply it;
    /// once it is durable, tell clients. Then say by [`Input::Demand`] whether another block is wanted.
    Decide(DecidedBlock),
    /// A quorum decided up to this height and this node lacks blocks: fetch them, `from` has them.
    Behind {
        /// A decided height.
        height: Height,
        /// A validator that has it.
        from: ValidatorIndex,
    },
    /// Proof that a validator contradicted itself.
    Evidence(Evidence),
    /// A validator misbehaved; the host may lower its standing.
    Penalise {
        /// Who.
        validator: ValidatorIndex,
        /// What it did.
        offence: Offence,
    },
    /// A signature was due and not given; worth an operator's attention.
    Withheld(Withheld),
    /// A commit certificate contradicts the decided chain: more than f validators are faulty. The host must stop and
    /// call its operator.
    Conflict(Certificate),
}

/// Effects of one step, to be carried out in order.
pub type Effects = Vec<Effect>;
